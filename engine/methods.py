"""The operations by name. `Engine` and `engine.aio` share them: one returns bytes, the other awaitables of bytes."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from engine.errors import UsageError

Result = TypeVar("Result")


class Operations(Generic[Result]):
    """The operations by name. `session` is what `engine.session(op, key)` returned for the same operation.

    Data, nonces and additional data are bytes or bytes-like objects; the latter are copied. Every operation may raise
    RingFullError, DeadlineError and ClosedError, OperationError if the device failed it, and the accelerator's
    UsageError for arguments that the accelerator does not take.
    """

    __slots__ = ()

    def call(
        self, op: str, payload: Any = b"", *, aux: Any = b"", session: Any = None, deadline_ns: int | None = None
    ) -> Result:
        """Any kernel by name. `aux` is the second input of kernels that have one, such as a nonce.

        `deadline_ns` counts from now, and replaces the deadline of the engine.
        """
        raise NotImplementedError  # pragma: no cover - `Engine` and `Aio` have their own

    def sha256(self, data: Any) -> Result:
        """The digest, 32 bytes."""
        return self.call("sha256", data)

    def sha384(self, data: Any) -> Result:
        """The digest, 48 bytes."""
        return self.call("sha384", data)

    def sha512(self, data: Any) -> Result:
        """The digest, 64 bytes."""
        return self.call("sha512", data)

    def hmac(self, session: Any, data: Any) -> Result:
        """The tag. It is as long as a digest of the session's hash."""
        return self.call("hmac", data, session=session)

    def aes_gcm_encrypt(self, session: Any, nonce: bytes, data: Any, aad: bytes = b"") -> Result:
        """Ciphertext and the 16 bytes of the tag. `nonce`: 12 bytes, never the same twice for one key."""
        return self.call("aes-gcm-encrypt", data, aux=_nonce(nonce) + aad, session=session)

    def aes_gcm_decrypt(self, session: Any, nonce: bytes, data: Any, aad: bytes = b"") -> Result:
        """The plaintext. Raises OperationError if the tag is wrong."""
        return self.call("aes-gcm-decrypt", data, aux=_nonce(nonce) + aad, session=session)

    def chacha20_poly1305_encrypt(self, session: Any, nonce: bytes, data: Any, aad: bytes = b"") -> Result:
        """Ciphertext and the 16 bytes of the tag. `nonce`: 12 bytes, never the same twice for one key."""
        return self.call("chacha20-poly1305-encrypt", data, aux=_nonce(nonce) + aad, session=session)

    def chacha20_poly1305_decrypt(self, session: Any, nonce: bytes, data: Any, aad: bytes = b"") -> Result:
        """The plaintext. Raises OperationError if the tag is wrong."""
        return self.call("chacha20-poly1305-decrypt", data, aux=_nonce(nonce) + aad, session=session)

    def rsa_sign(self, session: Any, message: Any) -> Result:
        """A PKCS #1 v1.5 signature."""
        return self.call("rsa-sign", message, session=session)

    def rsa_sign_pss(self, session: Any, message: Any) -> Result:
        """A PSS signature."""
        return self.call("rsa-sign-pss", message, session=session)

    def rsa_decrypt(self, session: Any, ciphertext: Any) -> Result:
        """The message, unpadded by OAEP."""
        return self.call("rsa-decrypt", ciphertext, session=session)

    def ecdsa_sign(self, session: Any, message: Any) -> Result:
        """A signature, in DER."""
        return self.call("ecdsa-sign", message, session=session)

    def ed25519_sign(self, session: Any, message: Any) -> Result:
        """A signature of 64 bytes."""
        return self.call("ed25519-sign", message, session=session)

    def x25519(self, session: Any, peer_public: bytes) -> Result:
        """The shared secret, 32 bytes. `peer_public`: 32 bytes."""
        return self.call("x25519", peer_public, session=session)

    def ecdh(self, session: Any, peer_public: bytes) -> Result:
        """The shared secret: the x coordinate. `peer_public`: an uncompressed point of the session's curve."""
        return self.call("ecdh", peer_public, session=session)

    def ml_dsa_44_sign(self, session: Any, message: Any, context: bytes = b"") -> Result:
        """An ML-DSA-44 signature of 2,420 bytes. `context`: at most 255 bytes."""
        return self.call("ml-dsa-44-sign", message, aux=context, session=session)

    def ml_dsa_65_sign(self, session: Any, message: Any, context: bytes = b"") -> Result:
        """An ML-DSA-65 signature of 3,309 bytes. `context`: at most 255 bytes."""
        return self.call("ml-dsa-65-sign", message, aux=context, session=session)

    def ml_dsa_87_sign(self, session: Any, message: Any, context: bytes = b"") -> Result:
        """An ML-DSA-87 signature of 4,627 bytes. `context`: at most 255 bytes."""
        return self.call("ml-dsa-87-sign", message, aux=context, session=session)

    def ml_kem_768_encapsulate(self, peer_public: bytes) -> Result:
        """The ciphertext, 1,088 bytes, and the shared secret, 32 bytes. `peer_public`: 1,184 bytes."""
        return self.call("ml-kem-768-encapsulate", peer_public)

    def ml_kem_768_decapsulate(self, session: Any, ciphertext: Any) -> Result:
        """The shared secret, 32 bytes; for a damaged ciphertext one that the peer does not know."""
        return self.call("ml-kem-768-decapsulate", ciphertext, session=session)

    def ml_kem_1024_encapsulate(self, peer_public: bytes) -> Result:
        """The ciphertext, 1,568 bytes, and the shared secret, 32 bytes. `peer_public`: 1,568 bytes."""
        return self.call("ml-kem-1024-encapsulate", peer_public)

    def ml_kem_1024_decapsulate(self, session: Any, ciphertext: Any) -> Result:
        """The shared secret, 32 bytes; for a damaged ciphertext one that the peer does not know."""
        return self.call("ml-kem-1024-decapsulate", ciphertext, session=session)


def _nonce(nonce: bytes) -> bytes:
    if not isinstance(nonce, (bytes, bytearray, memoryview)) or len(nonce) != 12:
        shown = f"{len(nonce)} bytes" if isinstance(nonce, (bytes, bytearray, memoryview)) else repr(nonce)
        raise UsageError(f"the nonce must be 12 bytes, not {shown}")
    return bytes(nonce)
