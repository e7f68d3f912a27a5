"""Tests of `simaccel certify`."""
