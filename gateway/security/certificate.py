"""What the authority hands out."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate and its private key, as PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    fingerprint: bytes  # SHA-256 of the certificate
