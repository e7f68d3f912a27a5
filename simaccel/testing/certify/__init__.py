"""`accel.certify`: puts a server in Python through everything that ever broke one, in virtual time."""

from simaccel.testing.certify.client import CertifyClient
from simaccel.testing.certify.run import CERTIFY_SCENARIOS, CertifyError, certify
from simaccel.testing.certify.server import CertifiedServer

__all__ = ["CERTIFY_SCENARIOS", "CertifiedServer", "CertifyClient", "CertifyError", "certify"]
