"""Models of our own engine, in every mode and contract, and their twins with a bug: to explore, and as examples.

from engine.testing import explore
from engine.testing.models import MODELS
explore(MODELS["by_fd"], preemptions=2)
"""

from engine.testing.models.engine_model import EngineModel, Watch
from engine.testing.models.fd_reuse import FdReuseModel
from engine.testing.models.good import MODELS
from engine.testing.models.twins import TWINS

__all__ = ["MODELS", "TWINS", "EngineModel", "FdReuseModel", "Watch"]
