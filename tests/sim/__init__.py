"""Tests of the device: one file a concept."""
