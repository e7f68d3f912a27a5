"""`simaccel certify provider` and `engine`: run a provider or engine in real jobs of the real libcrypto."""
