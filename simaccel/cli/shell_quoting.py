"""Names of files in messages, quoted as the GNU tools quote them."""

from __future__ import annotations

import os
import re

_SHELL_PLAIN = re.compile(r"(?![~#])[^\s\x00-\x1f\x7f-\x9f\udc80-\udcff!\"$&'()*:;<=>?\[\\^`|]+")


def quoted(path: str) -> str:
    """A name for a message, always on one line. It is quoted, as the GNU tools do it, if a shell would need that."""
    if _SHELL_PLAIN.fullmatch(path):
        return path
    if "'" in path and not re.search(r"[\x00-\x1f\x7f-\x9f\udc80-\udcff\"$`\\!]", path):
        return f'"{path}"'
    pieces = re.split(r"([\x00-\x1f\x7f-\x9f\udc80-\udcff]+)", path)
    text = ""
    for plain, odd in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        if not text:
            text = "'" + plain.replace("'", "'\\''") + "'"
        elif plain:
            text += ("'" + plain.replace("'", "'\\''") + "'").removeprefix("''")
        if odd:
            text += "$'" + "".join(_escaped(byte) for byte in os.fsencode(odd)) + "'"
    return text


_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}


def _escaped(byte: int) -> str:
    return _ESCAPES.get(byte) or f"\\{byte:03o}"
