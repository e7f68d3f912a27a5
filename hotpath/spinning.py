"""Waiting for another thread without going to sleep, as long as such waits are short.

A thread that sleeps has to be woken. On a machine with an idle core that takes the waking thread 5 to 30 us, and the
woken one runs 20 to 50 us later, which is as long as some tens of operations take. So before it sleeps, a thread may
spin: it gives up the GIL and checks again and again, for at most SPIN_NS, whether it has been woken. It spins only as
long as its last waits took less than PAYS_NS on average. A thread that waits for long does not spin, and costs no CPU.

A thread that was woken takes the GIL back only once the thread that woke it has given it up. That is usually at the end
of the other thread's turn. If it asked for the GIL before, both would sleep and have to be woken. It waits for at most
GIL_NS, and then asks.

On a busy machine the other thread may not get a core meanwhile. So after a spin in vain, the next wait goes without a
spin. If the next spin is in vain too, three waits go without one, then seven, up to a thousand. A spin is in vain if
the thread was not woken, or if the GIL was not given up in time. With one core alone nothing spins.

All this needs code in C, which is in spinning.pyx. Where nothing is compiled, this file replaces it, and never spins.
"""

from __future__ import annotations

SPIN_NS = 50_000
"""How long a thread spins at most."""
PAYS_NS = 100_000
"""It spins while its last waits took less than this on average, from their begin until the thread was woken."""
GIL_NS = 500_000
"""How long a thread that was woken waits at most for the other thread to give up the GIL."""


class Spinner:
    """Spins for one thread, which is the only one that may call `spin` and `waited`."""

    __slots__ = ("spinning",)

    def __init__(self) -> None:
        self.spinning = False
        """Whether the thread spins now. If so, `end` wakes it. Otherwise it sleeps, and has to be woken too."""

    def spin(self, most_ns: int, epoll_fd: int) -> bool:
        """Spin until `end` is called, an fd of this epoll is readable, or `most_ns` have passed.

        Returns True if the wait is over, False if the time has passed. Returns False at once if spinning does not pay,
        and if `most_ns` is 0. A `most_ns` of -1 means SPIN_NS, an `epoll_fd` of -1 means no epoll. Call `waited`
        when the wait is over, even if the thread has slept after the spin.
        """
        return False

    def end(self) -> None:
        """End the wait, and so the spin if the thread spins. Call it even if the thread sleeps. Any thread."""

    def waited(self) -> None:
        """The wait that began with the last `spin` is over."""


def about_to_sleep() -> None:
    """The calling thread is about to give up the GIL and to sleep, without a `spin` before. Threads that it has woken
    wait for that no longer. The Python does nothing here."""
