"""Jobs: functions that can pause, and what runs and pools them."""
