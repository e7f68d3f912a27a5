"""`simaccel certify provider` and `engine`: the accelerator's side, driven in real jobs of the real libcrypto."""
