"""nginx with workers of another user."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_CONFIG = """\
user www-data;
worker_processes 2;
daemon off;
pid @folder@/nginx.pid;
error_log @folder@/error.log;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path @folder@/body;
    proxy_temp_path @folder@/proxy;
    fastcgi_temp_path @folder@/fastcgi;
    uwsgi_temp_path @folder@/uwsgi;
    scgi_temp_path @folder@/scgi;
    server {
        listen 127.0.0.1:@port@ ssl;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate @folder@/cert.pem;
        ssl_certificate_key @folder@/key.pem;
        location / { return 200 "served by nginx"; }
    }
}
"""

SERVER = Server(
    name="nginx",
    title="nginx",
    packages=("nginx",),
    program="/usr/sbin/nginx",
    way=Way.BLOCKS,
    port=443,
    needs="The workers run as www-data, so the device must allow that user: `--allow-user www-data`.",
    files={"nginx.conf": _CONFIG},
    command=("nginx", "-c", "@folder@/nginx.conf", "-e", "@folder@/error.log"),
    talk=HTTP,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP to the master",
    users=("www-data",),
    shown="nginx.conf",
)
