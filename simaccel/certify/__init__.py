"""`simaccel certify` does to a server everything that ever broke one, and judges the server from outside."""
