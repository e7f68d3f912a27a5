"""The device that `simaccel certify` puts behind a server: it does with each request what a script says."""
