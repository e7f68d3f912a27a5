"""Service times from CSV, as people have them; and every hole, word and negative number is refused with its line."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from sim.errors import UsageError
from sim.timing import Recorded, parse_timing, read_column, without_files


def written(folder: Path, text: str, name: str = "times.csv") -> str:
    target = folder / name
    target.write_text(text, encoding="utf-8")
    return str(target)


@pytest.mark.parametrize(
    ("text", "column", "unit", "times_ns"),
    [
        ("service\n50\n70.5\n", None, "us", (50_000, 70_500)),
        ("service_us\n50\n", None, None, (50_000,)),
        ("op,service (ms),size\nrsa,1.5,3\n", "service (ms)", None, (1_500_000,)),
        ("op;t [us]\nrsa;2\n", "t [us]", None, (2_000,)),
        ("a\tb\n1\t2\n", "b", "ns", (2,)),
        ("# measured on Monday\n\nt_s\n# and later\n1e-6\n.5\n2E-3\n", None, None, (1_000, 500_000_000, 2_000_000)),
        ("\ufefft_ns\n+7\n", None, None, (7,)),
        ('"service, whole",x\n"1",2\n', "service, whole", "us", (1_000,)),
        ("t_ns\n0.5\n1.5\n", None, None, (0, 2)),
        ("t_us\n3\n", None, "ms", (3_000_000,)),
    ],
)
def test_columns(tmp_path: Path, text: str, column: str | None, unit: str | None, times_ns: tuple[int, ...]) -> None:
    assert read_column(written(tmp_path, text), column, unit).times_ns == times_ns


@pytest.mark.parametrize(
    ("text", "column", "unit", "value", "cure"),
    [
        ("", None, "us", "empty", "with a header"),
        ("t\n", None, "us", "only a header", "at least one row"),
        ("1\n2\n", None, "us", "'1'", "a header that names"),
        ("a,b\n1,2\n", None, "us", "2 columns, a, b", "column=NAME"),
        ("service,b\n1,2\n", "servce", "us", "'servce'", "did you mean service?"),
        ("a,a\n1,2\n", "a", "us", "2 columns are named 'a'", "rename"),
        ("t\n1\n", None, None, "'t' does not say its unit", "add unit=us"),
        ("t\n1\n", None, "min", "'min'", "one of ns, us, ms, s"),
        ("t,u\n1,2\n,3\n", "t", "us", "line 3, column 't'", "fill the hole"),
        ("u,t\n1,2\n3\n", "t", "us", "line 3", "fill the hole"),
        ("u,t\n1,2\n,\n", "t", "us", "line 3", "fill the hole"),
        ("t\n1\nfast\n", None, "us", "'fast'", "as 12.5"),
        ("t\n1\n5us\n", None, "us", "'5us'", "without a unit"),
        ("t\n1\nnan\n", None, "us", "'nan'", "as 12.5"),
        ('t;u\n"1,5";2\n', "t", "us", "'1,5'", "with a dot"),
        ("t\n1\n-3\n", None, "us", "line 3, column 't': '-3' is negative", "0 or more"),
        ("t\n9e30\n", None, "s", "9e30", "check the unit"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, column: str | None, unit: str | None, value: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_column(written(tmp_path, text), column, unit)
    message = str(caught.value)
    assert value in message
    assert cure in message
    assert "\n" not in message


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"csv '/no/such': No such file or directory; give a CSV file"):
        parse_timing("csv:/no/such,column=x,unit=us")


def test_a_file_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.timing.text_file.MAX_CHARACTERS", 10)
    with pytest.raises(UsageError, match="more than 10 characters; give a shorter file"):
        read_column(written(tmp_path, "t_us\n1\n2\n3\n4\n"))


@pytest.mark.parametrize("name", ["times.csv", "a,b+c;d %.csv"])
def test_the_text_form_leads_to_the_same_timing(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, '"service, whole",x\n10,1\n20,2\n', name)
    spec = f"csv:{quote(path, safe='/')},column=service%2C%20whole,unit=us+fixed:5us"
    timing = parse_timing(spec)
    assert timing.service == Recorded((10_000, 20_000), path, "service, whole", "us")
    assert parse_timing(timing.spec) == timing
    assert without_files(timing).spec == "values:10us,20us+fixed:5us"


@pytest.mark.parametrize("rest", ["", "x.csv,y", "x.csv,unit=us,unit=us", "x.csv,colum=a"])
def test_bad_text_forms(rest: str) -> None:
    with pytest.raises(UsageError, match=r"csv:measured.csv,column=service,unit=us"):
        parse_timing(f"csv:{rest}")
