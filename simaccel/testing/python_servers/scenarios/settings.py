"""Settings that several scenarios share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.offload.retry_setting import Retry

TWO_SLOTS: Mapping[str, Any] = {"depth": 2}
"""A ring of two slots. The engine wakes whoever waits for one when a slot is free."""
AT_ONCE: Mapping[str, Any] = {"depth": 2, "retry": Retry(wake="at_once")}
"""The same ring. In callback mode, no callback comes for a job that waits for a slot, as with QAT_Engine: the server
must resume it by itself."""
