"""Real OpenSSL programs, and C programs of our own, on the simulated accelerator."""
