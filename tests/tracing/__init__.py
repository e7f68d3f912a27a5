"""Traces for Perfetto, and what is read from them."""
