"""What people and programs see of a running device process."""
