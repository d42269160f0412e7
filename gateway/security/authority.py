"""The built-in certificate authority: P-256 certificates for devices and for the listener.

For a site without a public key infrastructure of its own. The device's private key is made
here, handed over once and never kept; the authority's own key stays in ``ca/`` (mode 0600).
"""

import ipaddress
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.security.certificate import CertificateFiles

_AUTHORITY_DAYS = 20 * 365  # longer than meters live between calibrations
_BACKDATE = timedelta(hours=1)  # a device's clock may be behind


class Authority:
    """Lives in a folder, which is made when the first certificate is asked for."""

    def __init__(self, folder: Path, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._clock = clock  # Unix ms

    @property
    def certificate_file(self) -> Path:
        """What ``ca`` of a listener, and of a device, names."""
        return self._folder / "ca.pem"

    def issue(
        self, common_name: str, days: int, *, server_names: Sequence[str] = ()
    ) -> CertificateFiles:
        """Issue a client certificate, or with ``server_names`` one for a listener."""
        authority_key, authority = self._load()
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server_names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            self._builder(common_name, days)
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
        )
        if server_names:
            names = x509.SubjectAlternativeName([_general(name) for name in server_names])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        return CertificateFiles(
            certificate.public_bytes(serialization.Encoding.PEM),
            _pem(key),
            certificate.fingerprint(hashes.SHA256()),
        )

    def _load(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key_file = self._folder / "ca.key"
        if not key_file.exists():
            self._create(key_file)
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_file} is not a key that this program has made")
        return key, x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    def _create(self, key_file: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = self._builder("infragate device authority", _AUTHORITY_DAYS)
        certificate = (
            builder.issuer_name(_name("infragate device authority"))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        self.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(key_file, _pem(key))  # last: where the key is, everything is

    def _builder(self, common_name: str, days: int) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(self._clock() / 1000, UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATE)
            .not_valid_after(now + timedelta(days=days))
        )


def write_private(file: Path, data: bytes) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(data)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
