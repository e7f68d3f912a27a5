"""Chooses, at import, whether the hot path runs compiled or as plain Python: see `hotpath.choice`.

`waitctx`, `sim` and `engine` import this package before anything else. It imports nothing of theirs.
"""

from hotpath.choice import COMPILED, MODULES, RUNNING, VARIABLE

__all__ = ["COMPILED", "MODULES", "RUNNING", "VARIABLE"]
