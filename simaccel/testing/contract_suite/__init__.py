"""The contract suite: does an accelerator do everything that an engine relies on? See `check_accelerator`."""

from simaccel.testing.contract_suite.suite import CASES, ContractError, check_accelerator

__all__ = ["CASES", "ContractError", "check_accelerator"]
