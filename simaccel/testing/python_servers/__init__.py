"""`accel.certify`: puts a server in Python, in virtual time, through the situations in which others have failed."""

from simaccel.testing.python_servers.client import CertifyClient
from simaccel.testing.python_servers.judge import CERTIFY_SCENARIOS, CertifyError, certify
from simaccel.testing.python_servers.server import CertifiedServer

__all__ = ["CERTIFY_SCENARIOS", "CertifiedServer", "CertifyClient", "CertifyError", "certify"]
