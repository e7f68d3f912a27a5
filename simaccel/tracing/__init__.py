"""What a device did, as a file for Perfetto, and what such a file says about where the time went."""
