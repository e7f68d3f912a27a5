"""The rules about wait fds: an fd must stay open while its context announces it, and be closed after that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from simaccel.testing.misuse.fd_identity import identity
from simaccel.testing.misuse.report import Kind
from simaccel.testing.misuse.track import CtxTrack, FdTrack


class WaitFds:
    """Judges what is done with the wait fds of all contexts."""

    def __init__(self, ctxs: Sequence[CtxTrack], report: Callable[[Kind, str, CtxTrack], object]) -> None:
        """`ctxs`: all contexts, which may become more. `report(kind, message, context)` is called for each misuse."""
        self._ctxs = ctxs
        self._report = report
        self._dropped: list[tuple[FdTrack, CtxTrack, str]] = []
        """Fds that should be closed at the end, each with its context and the reason."""

    def announce(self, track: CtxTrack, key: object, fd: int) -> None:
        """Called when a context announces an fd. If another one still announces this number, its file is gone."""
        new = FdTrack(key, fd)
        for other in self._ctxs:
            for old in other.fds:
                if old.fd == fd and new.identity is not None and old.identity not in (None, new.identity):
                    self._is_gone(other, old, f"; it was now set again, in {track}")
        track.fds.append(new)

    def clear(self, track: CtxTrack, key: object) -> int | None:
        """Called when the newest fd of a key is cleared. Returns its number, or None if we have not seen it set."""
        for fd in reversed(track.fds):
            if fd.key is key:
                track.fds.remove(fd)
                self._dropped.append((fd, track, "its entry was cleared: the code that clears it must close the fd"))
                return fd.fd
        return None

    def close(self, track: CtxTrack) -> None:
        """Called when a context was closed: its cleanups should have closed its fds."""
        for fd in track.fds:
            self._dropped.append((fd, track, "its context was closed: give set_wait_fd a cleanup that closes it"))
        track.fds = []

    def look(self, track: CtxTrack) -> None:
        """Report the fds that were closed while this context announces them."""
        for fd in track.fds:
            if fd.identity is not None and identity(fd.fd) != fd.identity:
                self._is_gone(track, fd)

    def find_leaks(self) -> set[int]:
        """Report the fds that are still open at the end. Returns the numbers of all wait fds that we have seen."""
        for ctx in self._ctxs:
            self.look(ctx)
            if ctx.born_here and not ctx.closed:
                for fd in ctx.fds:
                    self._dropped.append((fd, ctx, "nobody ever closed its context: use `with WaitCtx()`"))
        for fd, ctx, why in self._dropped:
            if fd.identity is not None and not fd.reported and identity(fd.fd) == fd.identity:
                fd.reported = True
                self._report(Kind.FD_LEAKED, f"wait fd {fd.fd} of {ctx} is still open: {why}", ctx)
        return {fd.fd for ctx in self._ctxs for fd in ctx.fds} | {fd.fd for fd, _, _ in self._dropped}

    def _is_gone(self, track: CtxTrack, fd: FdTrack, more: str = "") -> None:
        if fd.reported:
            return
        fd.reported = True
        reused = bool(more) or identity(fd.fd) is not None
        self._report(
            Kind.FD_REUSED if reused else Kind.FD_CLOSED,
            f"fd {fd.fd} was closed while {track} announced it"
            + (", and its number stands for another file" if reused else "")
            + f"{more}: clear it first, and close it when the change was reported",
            track,
        )
