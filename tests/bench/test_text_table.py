"""Tables: nothing is cut off, on no terminal and in no pipe."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from simaccel.bench.text_table import TextColumn, print_line, print_table


def _printed(width: int | None, columns: list[TextColumn], rows: list[list[str]], title: str = "") -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=width is not None, no_color=True, highlight=False)
    print_table(console, columns, rows, title)
    text = file.getvalue()
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
        text = text.replace(code, "")
    return text.splitlines()


COLUMNS = [TextColumn("name", text=True), TextColumn("total\np50"), TextColumn("total\np99"), TextColumn("wake\np50")]
ROWS = [["sha256", "1.00ms", "12,345,678", "5us"], ["rsa-sign", "2.00ms", "9", "6us"]]


def test_in_a_pipe_it_is_as_wide_as_it_needs() -> None:
    assert _printed(None, COLUMNS, ROWS, "Title") == [
        "Title",
        "           total       total  wake",
        "name         p50         p99   p50",
        "sha256    1.00ms  12,345,678   5us",
        "rsa-sign  2.00ms           9   6us",
    ]


def test_what_does_not_fit_goes_below_with_the_first_column_again() -> None:
    shown = _printed(30, COLUMNS, ROWS)
    assert shown[2:4] == ["sha256    1.00ms  12,345,678", "rsa-sign  2.00ms           9"]
    assert shown[-2:] == ["sha256     5us", "rsa-sign   6us"]


def test_columns_of_one_group_stay_together_where_there_is_room() -> None:
    columns = [TextColumn("name", text=True), TextColumn("count"), TextColumn("total\np50"), TextColumn("total\np99")]
    shown = _printed(24, columns, [["sha256", "500", "123456", "123456"]])
    assert [line for line in shown if "sha256" in line] == ["sha256    500", "sha256  123456  123456"]


def test_long_texts_are_wrapped_before_columns_move() -> None:
    columns = [TextColumn("what", text=True), TextColumn("value")]
    shown = _printed(30, columns, [["one two three four five six seven", "12"]])
    assert shown == ["what                     value", "one two three four five     12", "six seven"]


CELLS = st.lists(st.text("abc0123456789,.", min_size=1, max_size=12), max_size=4).map(" ".join)


@given(st.data(), st.sampled_from([None, 1, 20, 40, 60, 80, 200]))
def test_every_word_is_printed_whole_whatever_the_width(data: st.DataObject, width: int | None) -> None:
    texts = data.draw(st.lists(st.booleans(), min_size=1, max_size=7))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=len(texts), max_size=len(texts)), max_size=4))
    shown = _printed(width, [TextColumn(f"h{index}", text=text) for index, text in enumerate(texts)], rows)
    for row in rows:
        for cell, text in zip(row, texts, strict=True):
            # A number stands on one line; of words each does.
            for whole in cell.split() if text else [cell]:
                assert any(whole in line for line in shown), whole


@pytest.mark.parametrize("line", ["x" * 500, "[bold]no markup[/]", "12,345 [red] :smile:"])
def test_a_line_is_printed_as_it_is(line: str) -> None:
    for terminal in (True, False):
        file = io.StringIO()
        print_line(Console(file=file, width=40, force_terminal=terminal, no_color=True), line)
        assert file.getvalue() == f"{line}\n"
