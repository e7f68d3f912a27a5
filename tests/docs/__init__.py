"""Tests of the documentation: its examples run, its links lead somewhere, what is generated in it is up to date."""
