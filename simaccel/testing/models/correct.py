"""The models that must pass: our engine in every mode and contract, and in rare situations."""

from __future__ import annotations

from engine.offload.retry_setting import Retry
from simaccel.testing.exploration.run import Model
from simaccel.testing.models.assist_model import AssistModel
from simaccel.testing.models.engine_model import EngineModel
from simaccel.testing.models.fd_reuse import FdReuseModel

AT_ONCE = Retry(wake="at_once")
WAYS = {
    "fd": ("fd", "qat"),
    "pipe": ("pipe", "qat"),
    "qat": ("callback", "qat"),
    "strict": ("callback", "strict"),
    "dasync": ("callback", "dasync"),
    "poll": ("poll", "qat"),
    "poll_strict": ("poll", "strict"),
    "heuristic": ("heuristic", "qat"),
}


def _models() -> dict[str, Model]:
    models: dict[str, Model] = {"fd_reuse": FdReuseModel()}
    for name, plain in (("assist", 0), ("assist_beside_others", 1)):
        models[name] = AssistModel(name, assisting=2 - plain, plain=plain)
    for way, (notify, contract) in WAYS.items():
        some = {"notify": notify, "contract": contract}

        def add(name: str, some: dict[str, str] = some, way: str = way, **rest: object) -> None:
            models[f"{name}_{way}"] = EngineModel(name=f"{name}_{way}", **some, **rest)  # type: ignore[arg-type]

        add("two_jobs")
        add("two_operations", jobs=1, operations=2)
        add("spurious", jobs=1, operations=2, spurious=1)
        add("full_ring", depth=1)
        add("full_ring_at_once", depth=1, retry=AT_ONCE)
        add("cancel", cancels=True)
        add("cancel_on_full_ring", depth=1, cancels=True)
        add("deadline", jobs=1, deadline=True)
        add("deadline_on_full_ring", depth=1, deadline=True)
        add("close", closes=True)
    return models


MODELS = _models()
"""The models by name. A name says what happens in the model, and how jobs are notified."""
