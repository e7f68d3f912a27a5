"""Apache with the event MPM."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import HTTP

_CONFIG = """\
ServerRoot @folder@
ServerName localhost
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
User www-data
Group www-data
PidFile @folder@/apache.pid
ErrorLog @folder@/error.log
DocumentRoot @folder@/www
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
DirectoryIndex index.html
StartServers 2
ThreadsPerChild 8
MinSpareThreads 1
MaxSpareThreads 64
MaxRequestWorkers 64
Listen 127.0.0.1:@port@
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLCertificateFile @folder@/cert.pem
SSLCertificateKeyFile @folder@/key.pem
"""

SERVER = Server(
    name="apache",
    title="Apache httpd",
    packages=("apache2",),
    program="/usr/sbin/apache2",
    way=Way.BLOCKS,
    port=443,
    needs="Its children run as www-data, so the device must allow that user: `--allow-user www-data`. A service gets "
    "OPENSSL_CONF in /etc/apache2/envvars.",
    files={"apache.conf": _CONFIG, "www/index.html": "served by apache"},
    command=("apache2", "-D", "FOREGROUND", "-f", "@folder@/apache.conf"),
    talk=HTTP,
    reload=by_signal(signal.SIGUSR1),
    reloads="SIGUSR1 to the parent, which is `apachectl graceful`",
    users=("www-data",),
    shown="apache.conf",
)
