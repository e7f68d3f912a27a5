"""`python -m benchmarks`: what `simaccel bench` does, from a checkout."""

from __future__ import annotations

import sys

from simaccel.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
