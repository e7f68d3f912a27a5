"""`simaccel certify` puts a server through the situations in which others have failed, and judges it from outside."""
