"""The block cipher under CPython, with the face of MicroPython's ``cryptolib.aes``."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class aes:  # noqa: N801 - as the class of MicroPython
    """AES, block by block."""

    def __init__(self, key: bytes, mode: int) -> None:
        if mode != 1:  # ECB: what the modes of operation are made of, never one by itself
            raise ValueError("mode")
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def encrypt(self, block: bytes) -> bytes:
        """Return an encrypted block of 16 bytes."""
        return self._cipher.encryptor().update(block)
