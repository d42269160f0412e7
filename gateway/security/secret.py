"""Secrets of devices: made by us, 256 bits, kept as a keyed hash.

Why not scrypt: a slow hash protects passwords that people choose, by making each guess dear.
Nobody guesses a random 256-bit token, however fast the hash; but a slow one would make a
reconnect storm dear for us: 9,000 devices at 50 ms each are seven minutes of a core, with
BLAKE2b it is one core for about 20 ms. The key is random for each credential, so equal hashes
never show, and a secret given by hand is refused.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable

SECRET_BYTES = 32
_KEY_BYTES = 16
_HEX = frozenset("0123456789abcdef")

Randomness = Callable[[int], bytes]


def make_secret(randomness: Randomness = secrets.token_bytes) -> str:
    """Return a new secret in hex: it survives serial consoles, QR codes and TOML."""
    return randomness(SECRET_BYTES).hex()


def is_secret(text: str) -> bool:
    """Return whether a text looks like what ``make_secret`` returns: nothing shorter is taken."""
    return len(text) == 2 * SECRET_BYTES and set(text) <= _HEX


def make_key(randomness: Randomness = secrets.token_bytes) -> bytes:
    """Return the key of a new credential's hash."""
    return randomness(_KEY_BYTES)


def hash_secret(secret: bytes, key: bytes) -> bytes:
    """Return what is stored instead of the secret."""
    return hashlib.blake2b(secret, key=key, person=b"infragate-pass", digest_size=32).digest()


def psk_of(secret: bytes) -> bytes:
    """Return the TLS pre-shared key that belongs to a secret; both sides derive it.

    TLS needs this key itself, so it is stored as it is, but it does not tell the secret.
    """
    return hashlib.blake2b(secret, person=b"infragate-psk", digest_size=32).digest()


def is_same(left: bytes, right: bytes) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(left, right)
