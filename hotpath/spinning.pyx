"""The same as spinning.py, which explains it, for the compiled hot path: here a thread really spins."""

from cpython.exc cimport PyErr_CheckSignals

SPIN_NS = 50_000
PAYS_NS = 100_000
GIL_NS = 500_000

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <sched.h>
    #include <sys/epoll.h>
    #include <time.h>

    #if defined(__x86_64__) || defined(__i386__)
    #define simaccel_pause() __builtin_ia32_pause()
    #else
    #define simaccel_pause() __asm__ volatile("" ::: "memory")
    #endif

    /* With one core alone, the other thread can do nothing while this one spins. */
    static int simaccel_cores(void) {
        static int cores;
        cpu_set_t usable;
        if (!cores) cores = sched_getaffinity(0, sizeof usable, &usable) == 0 ? CPU_COUNT(&usable) : 1;
        return cores;
    }

    static long long simaccel_now_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000000LL + now.tv_nsec;
    }

    /* How often `spin` or `about_to_sleep` was called, by any thread, and whether this thread calls `spin`. The caller of
       both gives up the GIL next. */
    static unsigned long long simaccel_waits;
    static __thread int simaccel_spins;

    /* Whether a thread holds the GIL. From Python 3.12 on there is no way to ask. If the thread that has woken this one
       calls `spin` too, it holds the GIL until its next call: `waits` is the number of calls at that time. Of any other
       thread, which has 0 there, this assumes that it holds the GIL for 3 us. */
    #if PY_VERSION_HEX < 0x030C0000
    static int simaccel_gil_is_taken(unsigned long long waits, long long since_ns) {
        return _PyThreadState_UncheckedGet() != NULL;
    }
    #else
    static int simaccel_gil_is_taken(unsigned long long waits, long long since_ns) {
        if (waits) return __atomic_load_n(&simaccel_waits, __ATOMIC_ACQUIRE) == waits;
        return simaccel_now_ns() - since_ns < 3000;
    }
    #endif

    static int simaccel_woken(int *ended, int epoll_fd) {
        struct epoll_event event;
        if (__atomic_load_n(ended, __ATOMIC_ACQUIRE)) return 1;
        return epoll_fd >= 0 && epoll_wait(epoll_fd, &event, 1, 0) > 0;
    }

    /* Runs without the GIL: waits until it is woken, and then until the thread that has woken it gives up the GIL.
       Returns 0 if the time was over before it was woken, 1 if the other thread has kept the GIL, else 2. */
    static int simaccel_spin(int *ended, unsigned long long *waits, int epoll_fd, long long until_ns, long long *woken_ns) {
        long long now_ns;
        while (!simaccel_woken(ended, epoll_fd)) {
            if (simaccel_now_ns() >= until_ns) return 0;
            simaccel_pause();
        }
        *woken_ns = now_ns = simaccel_now_ns();
        while (simaccel_gil_is_taken(*waits, *woken_ns)) {
            if (now_ns >= *woken_ns + 500000) return 1;
            simaccel_pause();
            now_ns = simaccel_now_ns();
        }
        return 2;
    }
    """
    unsigned long long simaccel_waits
    int simaccel_spins
    int simaccel_cores() nogil
    long long simaccel_now_ns() nogil
    int simaccel_spin(
        int *ended, unsigned long long *waits, int epoll_fd, long long until_ns, long long *woken_ns
    ) nogil


cdef class Spinner:
    """Spins for one thread, which is the only one that may call `spin` and `waited`."""

    cpdef bint spin(self, long long most_ns, int epoll_fd) except -1:
        """Spin until `end` is called, an fd of this epoll is readable, or `most_ns` have passed. Returns True if woken."""
        global simaccel_waits, simaccel_spins
        cdef long long until_ns
        cdef int outcome
        cdef bint woken
        PyErr_CheckSignals()  # compiled code has not checked for signals on its way here, and the caller may sleep next
        self._began_ns = simaccel_now_ns()
        self._woken_ns = 0
        simaccel_waits += 1
        simaccel_spins = 1
        if self._skips > 0:
            self._skips -= 1
            return False
        if self._mean_ns >= 100_000 or most_ns == 0 or simaccel_cores() < 2:
            return False
        until_ns = self._began_ns + (most_ns if 0 < most_ns < 50_000 else 50_000)
        self._ended = 0
        self._waits = 0
        self.spinning = True
        with nogil:
            outcome = simaccel_spin(&self._ended, &self._waits, epoll_fd, until_ns, &self._woken_ns)
        self.spinning = False
        PyErr_CheckSignals()
        woken = outcome or self._ended  # `end` may have been called just now
        # The more spins in a row were in vain, the more waits go without one.
        self._in_vain = 0 if woken and outcome != 1 else min(self._in_vain + 1, 10)
        self._skips = (1 << self._in_vain) - 1
        return woken

    cpdef end(self):
        """End the wait. Any thread."""
        if not self._woken_ns:
            self._woken_ns = simaccel_now_ns()
        self._waits = simaccel_waits if simaccel_spins else 0
        self._ended = 1

    cpdef waited(self):
        """The wait that began with the last `spin` is over."""
        cdef long long took_ns = min((self._woken_ns or simaccel_now_ns()) - self._began_ns, 400_000)
        self._mean_ns += (took_ns - self._mean_ns) // 8


cpdef about_to_sleep():
    """The calling thread is about to give up the GIL and to sleep, without a `spin` before."""
    global simaccel_waits
    simaccel_waits += 1
