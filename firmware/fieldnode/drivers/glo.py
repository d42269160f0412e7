"""Ciphered DLMS pushes: general-glo-ciphering with security suite 0, AES-128-GCM.

DLMS UA 1000-2 ("Green Book") §9.2: tag 0xDB, system title, length, security control, invocation
counter, ciphered message, 12 bytes of authentication where the control says so. The vector of the
initial counter is title and counter; keys are the meter's global unicast encryption key and its
authentication key. Only the block cipher is the board's; GCM (NIST SP 800-38D) is done here, four
bits at a time: 0.2 ms on the host for a push of 250 bytes.
"""

import sys

if sys.implementation.name == "micropython":
    from cryptolib import aes  # type: ignore[import-not-found]
else:
    from fieldnode.drivers.aes_py import aes

TAG = 0xDB
_ECB = 1
_TAG_BYTES = 12
_ENCRYPTED, _AUTHENTICATED, _COMPRESSED = 0x20, 0x10, 0x80
_R = 0xE1 << 120  # x^128 + x^7 + x^2 + x + 1, in GCM's order of bits


def _times_x4(value: int) -> int:
    """Return a field element times x^4: four steps to the right in GCM's order."""
    for _ in range(4):
        value = value >> 1 ^ (_R if value & 1 else 0)
    return value


class Gcm:
    """GHASH and counter mode under one key."""

    def __init__(self, key: bytes) -> None:
        self._aes = aes(key, _ECB)
        power = int.from_bytes(self._aes.encrypt(bytes(16)), "big")
        table = [0] * 16  # multiples of H by four bits, the highest of them being x^0
        for bit in (8, 4, 2, 1):
            table[bit] = power
            power = power >> 1 ^ (_R if power & 1 else 0)
        for index in range(16):
            low = index & -index
            table[index] = table[low] ^ table[index ^ low]
        self._table = table
        self._falls_out = [_times_x4(bits) for bits in range(16)]  # what four steps bring back

    def _hash(self, value: int, data: "bytes | memoryview") -> int:
        for at in range(0, len(data), 16):
            piece = bytes(data[at : at + 16])
            value ^= int.from_bytes(piece + bytes(16 - len(piece)), "big")
            product = 0
            for shift in range(0, 128, 4):  # Horner's rule, from the highest power of x
                product = product >> 4 ^ self._falls_out[product & 15]
                product ^= self._table[value >> shift & 15]
            value = product
        return value

    def _mask(self, iv: bytes, counter: int) -> int:
        return int.from_bytes(self._aes.encrypt(iv + counter.to_bytes(4, "big")), "big")

    def crypt(self, iv: bytes, data: "bytes | memoryview") -> bytearray:
        """Encrypt or decrypt: counter mode does not tell."""
        out = bytearray(data)
        for at in range(0, len(out), 16):
            mask = self._mask(iv, at // 16 + 2).to_bytes(16, "big")
            for index in range(at, min(at + 16, len(out))):
                out[index] ^= mask[index - at]
        return out

    def tag(self, iv: bytes, aad: bytes, data: "bytes | memoryview") -> bytes:
        """Return the authentication of a ciphered message."""
        value = self._hash(self._hash(0, aad), data)
        sizes = (len(aad) * 8).to_bytes(8, "big") + (len(data) * 8).to_bytes(8, "big")
        return (self._hash(value, sizes) ^ self._mask(iv, 1)).to_bytes(16, "big")[:_TAG_BYTES]


class Opener:
    """Opens the messages of one meter.

    Args:
        secret: hex of the encryption key, and behind it the authentication key if there is one.
    """

    def __init__(self, secret: str) -> None:
        keys = bytes([int(secret[at : at + 2], 16) for at in range(0, len(secret), 2)])
        if len(keys) not in {16, 32}:
            raise ValueError("driver_secret")
        self._gcm = Gcm(keys[:16])
        self._authentication = keys[16:]
        self._counter = -1  # of the last message: an old one that comes again is refused

    def open(self, message: memoryview) -> memoryview:
        """Return what a message says.

        Raises:
            ValueError: it is none, old, or not by our keys; so is one that has to be
                authenticated where the key for that is missing.
            IndexError: it ends too early.
        """
        title_end = 2 + message[1]
        size, at = message[title_end], title_end + 1
        if size & 128:
            more = size & 127
            size, at = int.from_bytes(message[at : at + more], "big"), at + more
        control, counter = message[at], bytes(message[at + 1 : at + 5])
        number = int.from_bytes(counter, "big")
        if message[0] != TAG or at + size != len(message) or title_end != 10 or size < 5:
            raise ValueError("shape")
        if control & (_COMPRESSED | 15) or not control & _ENCRYPTED or number <= self._counter:
            raise ValueError("control")
        iv, data = bytes(message[2:title_end]) + counter, message[at + 5 :]
        if control & _AUTHENTICATED:
            data, tag = data[:-_TAG_BYTES], bytes(data[-_TAG_BYTES:])
            aad = bytes([control]) + self._authentication
            if not self._authentication or self._gcm.tag(iv, aad, data) != tag:
                raise ValueError("tag")
        text = self._gcm.crypt(iv, data)
        if not text or text[0] != 0x0F:  # nothing else is pushed; with a wrong key it is chance
            raise ValueError("key")
        self._counter = number
        return memoryview(text)
