"""`simaccel certify`: puts a server through everything that ever broke one, and judges it from outside."""
