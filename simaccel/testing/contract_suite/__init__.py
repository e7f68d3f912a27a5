"""The contract suite checks whether an accelerator does everything that an engine relies on. See
`check_accelerator`."""

from simaccel.testing.contract_suite.suite import CASES, ContractError, check_accelerator

__all__ = ["CASES", "ContractError", "check_accelerator"]
