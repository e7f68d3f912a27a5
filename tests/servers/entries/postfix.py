"""Postfix: smtpd in a chroot, with STARTTLS."""

from __future__ import annotations

import shutil
import signal

from tests.servers.server import Server, Site, Way, by_signal
from tests.servers.talk import SMTP

_MAIN = """\
compatibility_level = 3.6
queue_directory = @folder@/queue
data_directory = @folder@/data
maillog_file = @folder@/mail.log
maillog_file_prefixes = @folder@
myhostname = localhost
mydestination = localhost
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
alias_maps =
alias_database =
smtpd_tls_security_level = may
smtpd_tls_chain_files = @folder@/key.pem, @folder@/cert.pem
import_environment = MAIL_CONFIG TZ LANG=C OPENSSL_CONF SIMACCEL_SOCKET SIMACCEL_CONNECT_MS
"""

_MASTER = """\
127.0.0.1:@port@ inet n - y - 20 smtpd
anvil unix - - y - 1 anvil
rewrite unix - - y - - trivial-rewrite
tlsmgr unix - - y 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


def _prepare(site: Site) -> None:
    shutil.chown(site.folder, "root", "root")
    for name in ("queue", "data"):
        (site.folder / name).mkdir()
    shutil.chown(site.folder / "data", "postfix")
    for name in ("pid", "public", "private"):
        folder = site.folder / "queue" / name
        folder.mkdir()
        shutil.chown(folder, "root" if name == "pid" else "postfix", "postdrop" if name == "public" else None)


SERVER = Server(
    name="postfix",
    title="Postfix, SMTP with STARTTLS",
    packages=("postfix",),
    program="/usr/lib/postfix/sbin/smtpd",
    way=Way.BLOCKS,
    port=25,
    needs="Postfix gives its processes only the variables that `import_environment` names. smtpd runs as postfix in a "
    "chroot, so the device must allow that user: `--allow-user postfix`, and its address must be an abstract name, or "
    "a path in the chroot.",
    files={"main.cf": _MAIN, "master.cf": _MASTER},
    command=("/usr/lib/postfix/sbin/master", "-c", "@folder@", "-d"),
    talk=SMTP,
    reload=by_signal(signal.SIGHUP),
    reloads="SIGHUP to master, which is `postfix reload`",
    users=("postfix",),
    prepare=_prepare,
    shown="main.cf",
)
