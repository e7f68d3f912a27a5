"""What people and programs see of a running device process: metrics for Prometheus, and a live page."""
