"""Reads the text files that timing models are made from."""

from __future__ import annotations

from sim.errors import UsageError

MAX_CHARACTERS = 1 << 28
"""The most that is read of a file, about 30 million times: a file such as /dev/zero has no end."""


def read_text(name: str, what: str, expected: str, encoding: str = "utf-8") -> str:
    """The whole text of this file, with its line ends as they are. May block.

    Raises UsageError, with a message of one line, for a file that can't be read, holds no text, or is too long. The
    message calls the file `what`, and says that `expected` is to be given instead.
    """
    try:
        with open(name, encoding=encoding, newline="") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:  # ValueError: not in this encoding, or a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise UsageError(f"{what} {name!r}: {reason}; give {expected}") from error
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"{what} {name!r}: more than {MAX_CHARACTERS:,} characters; give a shorter file")
    return text
