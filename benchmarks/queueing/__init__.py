"""The simulation against queueing theory, and against another simulator."""
