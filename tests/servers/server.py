"""What a server of the table is: its package, its configuration, how it is started and reloaded, what is said to it.

Texts of an entry may name where the run is: `@folder@`, a folder of this run alone, with cert.pem, key.pem and both.pem
in it, `@port@`, at which the server must listen on 127.0.0.1, and `@other@`, another port that is free.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.limits import WAIT_S
from tests.servers.talk import Talk


class Way(StrEnum):
    """How a server waits for the device."""

    PAUSES = "asynchronous"
    """Its operations run in async jobs, which pause."""
    BLOCKS = "blocking"
    """The thread or process that serves the client waits."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one run of a server is."""

    folder: Path
    port: int
    other_port: int

    def filled(self, text: str) -> str:
        """The text of an entry, with this folder and this port."""
        return (
            text.replace("@folder@", str(self.folder))
            .replace("@port@", str(self.port))
            .replace("@other@", str(self.other_port))
        )


Reload = Callable[[Site, int], None]
"""Makes the server read its certificate again. Gets the site, and the pid of the server's first process."""


def by_signal(number: signal.Signals) -> Reload:
    """A reload by a signal to the first process."""
    return lambda _, pid: os.kill(pid, number)


@dataclass(frozen=True, slots=True)
class Server:
    """One row of the table."""

    name: str
    """Its name in SERVERS= of `make servers`."""
    title: str
    packages: tuple[str, ...]
    """Debian's packages. The page shows the version of the first one."""
    program: str
    """The file that is there if the package is installed, seen from its root."""
    way: Way
    port: int
    """Its usual port, for the page."""
    needs: str
    """What an operator must do, in sentences for the page."""
    files: Mapping[str, str]
    """The text of each file, by the file's name below the folder."""
    command: tuple[str, ...]
    talk: Talk
    reload: Reload
    reloads: str
    """What it is reloaded with, in words for the page. Empty: `needs` says it."""
    rereads: bool = True
    """Whether it shows a new certificate after a reload."""
    drops: str = ""
    """Why it drops connections when it is reloaded, in a sentence for the page. Empty: it drops none."""
    users: tuple[str, ...] = ()
    """Users that its processes turn into, besides root. The device must allow them."""
    owner: str = ""
    """The user that the folder of a run belongs to. Empty: root."""
    folders: tuple[str, ...] = ()
    """Names of folders to make below the folder."""
    prepare: Callable[[Site], None] = field(default=lambda _: None)
    """Called when the files are there, before the start."""
    x25519: tuple[str, ...] = ("TLS 1.2", "TLS 1.3")
    """The versions in which it exchanges keys by X25519, which the device does."""
    at_once: int = 8
    """How many clients connect at a time."""
    root: str = ""
    """The folder of another Debian, made by debian_root.sh, in which it runs. Empty: this machine's own."""
    shown: str = ""
    """The file whose text the page shows as the configuration. Empty: the command."""

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return Path(self.root + self.program).exists()

    @property
    def install(self) -> str:
        """The command that installs it."""
        if self.root:
            return f"tests/servers/debian_root.sh {self.root.rpartition('-')[2]} {self.packages[0]}"
        return f"apt-get install {' '.join(self.packages)}"

    def version(self) -> str:
        """The version of its package."""
        return package_version(self.packages[0], self.root)

    def openssl(self) -> str:
        """The version of the OpenSSL that its Debian has."""
        return package_version("libssl3t64" if self.root else "libssl3", self.root).partition("-")[0]

    def start(self, site: Site) -> tuple[str, ...]:
        """The command that starts it, in its root."""
        command = tuple(map(site.filled, self.command))
        return in_root(self.root, *command) if self.root else command

    def write(self, site: Site) -> None:
        """Write all its files, except certificates."""
        for name in self.folders:
            (site.folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            path = site.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(site.filled(text))
        self.own(site)
        self.prepare(site)

    def own(self, site: Site, *names: str) -> None:
        """Give these files to the owner; without names all in the folder."""
        if self.owner:
            paths = [site.folder / name for name in names] or [site.folder, *site.folder.rglob("*")]
            for path in paths:
                shutil.chown(path, self.owner)


def in_root(root: str, *command: str) -> tuple[str, ...]:
    """The command, in this folder as its root. It sees /tmp as this machine does, and keeps the pid."""
    enter = 'mount --bind /tmp "$0/tmp" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    return ("unshare", "--mount", "sh", "-c", enter, root, *command)


def package_version(package: str, root: str = "") -> str:
    """The version of a Debian package that is installed in this root."""
    command = ["dpkg-query", f"--root={root or '/'}", "--show", "--showformat=${Version}", package]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout


def run(*command: str | Path) -> str:
    """Run a command of a server's set-up to its end, and return what it printed. Fails if it does not exit with 0."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def as_user(user: str) -> tuple[str, ...]:
    """The beginning of a command that runs as this user, as systemd's User= does it."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups")
