"""The OpenSSL provider as the command line sees it: where it is, whether it works, and which processes use it."""
