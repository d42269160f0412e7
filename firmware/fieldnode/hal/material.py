"""What TLS is made of: loaded where it is spoken (rooms.py)."""


class Tls:
    """What a connection is secured with (hal/base.py)."""

    def __init__(
        self,
        ca: bytes = b"",
        cert: bytes = b"",
        key: bytes = b"",
        psk_identity: bytes = b"",
        psk_key: bytes = b"",
        reserve: "list[bytearray] | None" = None,
    ) -> None:
        self.ca = ca
        self.cert = cert
        self.key = key
        self.psk_identity = psk_identity
        self.psk_key = psk_key
        self.reserve = reserve if reserve is not None else []
        self.context: object = None  # MicroPython's, kept from one connection to the next
