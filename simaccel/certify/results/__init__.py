"""What came out, and how it is told: as a table, as JSON, as JUnit XML."""
