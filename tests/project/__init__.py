"""Tests of the project itself: what may import what, what is public, what the wheel holds."""
