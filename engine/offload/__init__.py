"""How one operation runs on an accelerator, and how its completion becomes a wake-up.

`perform` runs an operation from its call to its result. `operation` says who may end it. `ring_full` pauses it with
EAGAIN and tries again, as `retry_setting` says, and `slot_queue` decides who gets the next free slot. `wakers` wakes
its caller by the fds of `wake_fds`, by a callback or by a lock, and `context_wakers` chooses the waker of a wait
context. `statistics` has the counters.
"""
