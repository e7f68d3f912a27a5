"""The tests are a package, so that the oracle and the conformance suite can be imported and run as modules."""
