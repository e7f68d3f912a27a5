"""The libraries that only some uses of simaccel need, and the extra of the distribution that installs each.

`engine`, `sim`, `waitctx`, `simaccel.bridge` and `simaccel.testing` need none of them.
"""

from __future__ import annotations

EXTRA_OF = {
    "typer": "cli",
    "rich": "cli",
    "numpy": "cli",
    "prometheus_client": "metrics",
    "starlette": "page",
    "uvicorn": "page",
    "matplotlib": "sizing",
    "pyarrow": "sizing",
    "distributed": "dask",
}
"""By the name under which a library is imported."""


def it_needs(*libraries: str) -> str:
    """What is missing and the cure, in words: `it needs pyarrow; pip install 'simaccel[sizing]'`.

    All libraries must be of one extra.
    """
    return f"it needs {' and '.join(libraries)}; pip install 'simaccel[{EXTRA_OF[libraries[0]]}]'"
