"""`python -m simaccel` is the command `simaccel`."""

import sys

from simaccel.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
