"""The configuration of a HAProxy that terminates TLS and answers itself."""

from __future__ import annotations

from pathlib import Path

ASYNC = "ssl-mode-async"
LOGS = "log stderr local0"
_CONFIG = """\
global
    ssl-propquery ?simaccel.offload=yes
    nbthread 1
    {more}
defaults
    mode http
    timeout client {timeout_s}s
    timeout server {timeout_s}s
    timeout connect {timeout_s}s
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem}
    http-request return status 200 content-type text/plain string "served by haproxy"
"""


def haproxy_config(port: int, pem: str | Path, *more: str, timeout_s: int = 20) -> str:
    """Its text. `more`: further lines of the global section, such as ASYNC."""
    return _CONFIG.format(port=port, pem=pem, more="\n    ".join(more), timeout_s=timeout_s)
