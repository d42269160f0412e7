"""An authority, a server's certificate and one of each device, as files."""

from pathlib import Path

import trustme


class Authority:
    """What ``folder`` holds afterwards: ca.pem, server.pem, server.key, <device>.pem and .key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(self.ca)
        self._write("server", self._authority.issue_cert("localhost", "127.0.0.1"))

    def issue(self, name: str) -> None:
        """Write certificate and key of one client."""
        self._write(name, self._authority.issue_cert(f"{name}.test", common_name=name))

    def _write(self, name: str, leaf: trustme.LeafCert) -> None:
        (self.folder / f"{name}.pem").write_bytes(
            b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        )
        key = self.folder / f"{name}.key"
        leaf.private_key_pem.write_to_path(key)
        key.chmod(0o600)
