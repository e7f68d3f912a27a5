"""Tests of waitctx: one rule a test."""
