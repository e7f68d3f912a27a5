"""The C header and the Python module describe the same wire."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from simaccel.bridge import wire
from tests.bridge.conftest import require
from tests.bridge.toolbox import ROOT
from tests.limits import WAIT_S

HEADER = ROOT / "provider" / "wire.h"

_STRUCTS = {
    "wire_header": wire.HEADER,
    "wire_hello": wire.HELLO,
    "wire_welcome": wire.WELCOME,
    "wire_forget": wire.FORGET,
    "wire_submission": wire.SUBMISSION,
    "wire_completion": wire.COMPLETION,
    "wire_scheme": wire.SCHEME,
}

_FIELDS = {
    "wire_submission": (
        "cookie operation flags key in_off in_len out_off out_max aux_off aux_len t_submit",
        wire.SUBMISSION,
    ),
    "wire_completion": ("cookie status out_len t_start t_end", wire.COMPLETION),
    "wire_scheme": ("padding digest mgf1_digest salt_len", wire.SCHEME),
    "wire_welcome": (
        "header.magic header.version header.type entries slot_bytes sq_off cq_off slots_off memory_bytes",
        wire.WELCOME,
    ),
    "wire_hello": ("header.magic header.version header.type entries slot_bytes flags spare", wire.HELLO),
    "wire_forget": ("header.magic header.version header.type key spare", wire.FORGET),
}


def _constants() -> dict[str, int]:
    """Every name of the header that has a value, with what the Python module says it is."""
    expected = {
        "WIRE_MAGIC": wire.MAGIC,
        "WIRE_VERSION": wire.VERSION,
        "WIRE_PAGE_BYTES": wire.PAGE_BYTES,
        "WIRE_MAX_ENTRIES": wire.MAX_ENTRIES,
        "WIRE_MAX_SLOT_BYTES": wire.MAX_SLOT_BYTES,
        "WIRE_MAX_MEMORY_BYTES": wire.MAX_MEMORY_BYTES,
        "WIRE_MAX_MESSAGE_BYTES": wire.MAX_MESSAGE_BYTES,
        "WIRE_CHECKSUM": wire.CHECKSUM,
        "WIRE_DIGEST_NONE": wire.Digest.NONE,
    }
    expected |= {f"WIRE_{name}": value for name, value in vars(wire).items() if name.startswith("AT_")}
    for group, prefix in (
        (wire.Message, "WIRE_"),
        (wire.Opcode, "WIRE_"),
        (wire.CompletionStatus, "WIRE_"),
        (wire.Padding, "WIRE_PAD_"),
        (wire.Digest, "WIRE_"),
    ):
        expected |= {f"{prefix}{member.name}": int(member) for member in group if member is not wire.Digest.NONE}
    return expected


def _packed_with_marks(fields: str, codec: object, size: int) -> bytes:
    import struct

    assert isinstance(codec, struct.Struct)
    return codec.pack(*range(1, len(fields.split()) + 1)).ljust(size, b"\0")


def test_what_a_client_counts_has_the_same_order() -> None:
    names = re.findall(r"^    X\((\w+)\)", (HEADER.parent / "counters.h").read_text(), flags=re.MULTILINE)
    assert names == list(wire.COUNTS)


def test_the_header_names_nothing_that_python_does_not_know() -> None:
    named = set(re.findall(r"\b(WIRE_[A-Z0-9_]+)\b", re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)))
    assert named == set(_constants())


def test_sizes_offsets_and_constants_agree(tmp_path: Path) -> None:
    require("cc")
    lines = ["#include <stdio.h>", "#include <string.h>", f'#include "{HEADER}"', "int main(void) {"]
    lines += [f'printf("sizeof {name} %zu\\n", sizeof(struct {name}));' for name in _STRUCTS]
    lines += [f'printf("{name} %lld\\n", (long long){name});' for name in _constants()]
    for name, (fields, _) in _FIELDS.items():
        lines += [f"{{ struct {name} s; memset(&s, 0, sizeof s);"]
        lines += [f"s.{field} = {mark};" for mark, field in enumerate(fields.split(), 1)]
        lines += [f'printf("bytes {name} ");']
        lines += ['for (size_t i = 0; i < sizeof s; i++) printf("%02x", ((unsigned char *)&s)[i]); puts(""); }']
    source = tmp_path / "wire.c"
    source.write_text("\n".join([*lines, "return 0; }"]))
    program = tmp_path / "wire"
    subprocess.run(["cc", "-o", str(program), str(source)], check=True, timeout=WAIT_S)
    out = subprocess.run([str(program)], check=True, capture_output=True, text=True, timeout=WAIT_S).stdout
    expected = [f"sizeof {name} {codec.size}" for name, codec in _STRUCTS.items()]
    expected += [f"{name} {value}" for name, value in _constants().items()]
    expected += [
        f"bytes {name} {_packed_with_marks(fields, codec, _STRUCTS[name].size).hex()}"
        for name, (fields, codec) in _FIELDS.items()
    ]
    assert out.splitlines() == expected
