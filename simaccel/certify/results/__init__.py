"""The result of a run, and how it is shown: as a table, as JSON, or as JUnit XML."""
