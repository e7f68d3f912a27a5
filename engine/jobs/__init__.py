"""Jobs: functions that can pause, and what runs and pools them.

`start` makes a job of the right kind. `job` is what both kinds have in common, `stackful` and `stackless` are the two
kinds. `states` has the table of their states, `pause` the pausing, `pool` the pool of jobs of a thread, and `thread`
what a thread knows of its jobs.
"""
