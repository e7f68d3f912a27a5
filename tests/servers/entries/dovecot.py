"""Dovecot: a login process for each client, without root and in a chroot."""

from __future__ import annotations

import signal

from tests.servers.server import Server, Way, by_signal
from tests.servers.talk import IMAP

_CONFIG = """\
base_dir = @folder@/run
state_dir = @folder@/run
log_path = @folder@/dovecot.log
listen = 127.0.0.1
protocols = imap
ssl = yes
ssl_cert = <@folder@/cert.pem
ssl_key = <@folder@/key.pem
import_environment = TZ OPENSSL_CONF SIMACCEL_SOCKET SIMACCEL_CONNECT_MS
service imap-login {
  inet_listener imap {
    port = @port@
  }
  inet_listener imaps {
    port = 0
  }
  process_limit = 100
}
passdb {
  driver = static
  args = nopassword
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
"""

SERVER = Server(
    name="dovecot",
    title="Dovecot, IMAP with STARTTLS",
    packages=("dovecot-imapd", "dovecot-core"),
    program="/usr/lib/dovecot/imap-login",
    way=Way.BLOCKS,
    port=143,
    needs="Dovecot gives its processes only the variables that `import_environment` names. The login processes run as "
    "dovenull in a chroot, so the device must allow that user: `--allow-user dovenull`, and its address must be "
    "an abstract name. The login processes may make no threads, and need none. By default each client has a "
    "process of its own.",
    files={"dovecot.conf": _CONFIG},
    command=("dovecot", "-F", "-c", "@folder@/dovecot.conf"),
    talk=IMAP,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP, which is `doveadm reload`",
    users=("dovenull",),
    folders=("run",),
    shown="dovecot.conf",
)
