"""Device processes of these tests are forked, as those of the bridge's."""

from tests.bridge.conftest import fork_server

__all__ = ["fork_server"]
