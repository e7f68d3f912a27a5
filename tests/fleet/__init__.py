"""Several devices as one."""
