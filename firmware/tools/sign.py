"""Signs firmware: ``python -m firmware.tools.sign key|manifest|slot …``.

``key DIR`` makes an RSA-3072 key pair: ``ota.pem`` stays with you, ``ota.pub`` (the modulus, 384
bytes) goes to the nodes. ``manifest`` signs an image. ``slot`` puts manifest and image together
as they lie in flash, for the first flashing by cable; without a key the manifest is not signed,
which only the cable may bring. The layout is that of fieldnode/core/ota.py.
"""

import argparse
import hashlib
import os
import struct
import sys
from binascii import crc32
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY_BITS = 3072
SECTOR_BYTES = 4096


def make_key(folder: Path) -> None:
    """Write ``ota.pem`` (mode 0600) and ``ota.pub``; an existing key is not touched."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(folder / "ota.pem", flags, 0o600), "wb") as out:
        out.write(pem)
    (folder / "ota.pub").write_bytes(modulus_of(key))


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """Read ``ota.pem``."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != KEY_BITS:
        raise ValueError(f"{path} is no RSA-3072 key")
    return key


def modulus_of(key: rsa.RSAPrivateKey) -> bytes:
    """Return what the nodes need of a key."""
    return key.public_key().public_numbers().n.to_bytes(KEY_BITS // 8, "big")


def version_of(text: str) -> int:
    """Return the number of a version such as 1.4.2."""
    major, minor, patch = (int(part) for part in text.split("."))
    if not (0 <= major < 256 and 0 <= minor < 256 and 0 <= patch < 65536):
        raise ValueError(f"{text}: at most 255.255.65535")
    return major << 24 | minor << 16 | patch


def manifest_of(
    key: "rsa.RSAPrivateKey | None", board: str, version: int, counter: int, image: bytes
) -> bytes:
    """Return the manifest of an image; without a key its signature is blank."""
    name = board.encode()
    if not 0 < len(name) <= 16:
        raise ValueError(f"board {board!r}: 1 to 16 bytes")
    digest = hashlib.sha256(image).digest()
    head = struct.pack("<4s16sIII32s", b"FNM1", name, version, counter, len(image), digest)
    if key is None:
        return head + b"\xff" * (KEY_BITS // 8)
    return head + key.sign(head, padding.PKCS1v15(), hashes.SHA256())


def slot_of(manifest: bytes, image: bytes) -> bytes:
    """Return what a slot holds, from its first byte on."""
    head = manifest + struct.pack("<I", crc32(manifest))
    return head.ljust(SECTOR_BYTES, b"\xff") + image


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="firmware.tools.sign")
    verbs = parser.add_subparsers(required=True, dest="verb", metavar="VERB")
    verbs.add_parser("key").add_argument("folder", type=Path)
    for verb in ("manifest", "slot"):
        one = verbs.add_parser(verb)
        one.add_argument("image", type=Path)
        one.add_argument("--key", type=Path, required=verb == "manifest", metavar="ota.pem")
        one.add_argument("--board", required=True)
        one.add_argument("--version", type=version_of, required=True, metavar="1.4.2")
        one.add_argument("--counter", type=int, default=0, help="raise it to shut old ones out")
        one.add_argument("-o", "--out", type=Path, required=True)
    return parser


def main(arguments: "list[str] | None" = None) -> int:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb == "key":
            make_key(options.folder)
            return 0
        image = options.image.read_bytes()
        key = load_key(options.key) if options.key else None
        made = manifest_of(key, options.board, options.version, options.counter, image)
        options.out.write_bytes(slot_of(made, image) if options.verb == "slot" else made)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
