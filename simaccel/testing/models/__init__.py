"""Models of our own engine, in every mode and contract, and twins of them with a bug. To explore, and as examples.

from simaccel.testing import explore
from simaccel.testing.models import MODELS
explore(MODELS["by_fd"], preemptions=2)
"""

from simaccel.testing.models.buggy_twins import TWINS
from simaccel.testing.models.correct import MODELS
from simaccel.testing.models.engine_model import EngineModel, WatchedJob
from simaccel.testing.models.fd_reuse import FdReuseModel

__all__ = ["MODELS", "TWINS", "EngineModel", "FdReuseModel", "WatchedJob"]
