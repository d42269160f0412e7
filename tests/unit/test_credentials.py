"""Credentials: what is issued opens the door, what is revoked does not, nothing leaks."""

import logging
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.ports import ClientRole, Credentials
from gateway.security import (
    Authenticator,
    Credential,
    CredentialStore,
    EnrolmentError,
    Issued,
    Method,
    Request,
)
from gateway.security.authority import Authority
from gateway.security.secret import psk_of

DAY_MS = 86_400_000


class Clock:
    """Unix milliseconds that stand still until told."""

    def __init__(self) -> None:
        self.now_ms = 1_795_300_200_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> CredentialStore:
    return CredentialStore(tmp_path, clock)


@pytest.fixture
def door(tmp_path: Path, clock: Clock, store: CredentialStore) -> Authenticator:
    return Authenticator(tmp_path, clock)


def shown(issued: Issued, username: str | None = None) -> Credentials:
    return Credentials(username or issued.device, issued.secret.encode())


METER = Request("meter-1", "evn", "energy")


def test_a_new_device_comes_in_with_its_secret_and_no_other(
    store: CredentialStore, door: Authenticator
) -> None:
    issued = store.enrol(METER)
    other = store.enrol(Request("meter-2", "evn", "energy"))
    identity = door.authenticate(shown(issued))
    assert identity is not None
    assert identity[:4] == ("meter-1", ClientRole.DEVICE, "evn", "energy")
    assert door.authenticate(shown(issued, "meter-2")) is None
    assert door.authenticate(shown(other, "meter-1")) is None
    assert door.authenticate(Credentials("meter-1", b"")) is None
    assert door.authenticate(Credentials("meter-1", b"x" * 1_000_000)) is None
    assert door.authenticate(Credentials("meter-1")) is None
    assert door.authenticate(Credentials(None, issued.secret.encode())) is None
    assert door.authenticate(Credentials()) is None


def test_a_secret_is_256_bits_and_never_the_same(store: CredentialStore) -> None:
    secrets = {store.enrol(Request(f"m-{n}", "evn", "energy")).secret for n in range(50)}
    assert len(secrets) == 50
    assert {len(bytes.fromhex(secret)) for secret in secrets} == {32}


def test_a_revoked_device_is_out_and_may_be_enrolled_anew(
    store: CredentialStore, door: Authenticator
) -> None:
    issued = store.enrol(METER)
    identity = door.authenticate(shown(issued))
    assert identity is not None
    assert list(door.changed()) == ["meter-1"]
    assert list(door.changed()) == []
    assert store.revoke("meter-1") == 1
    assert list(door.changed()) == ["meter-1"]
    assert not door.is_current(identity)
    assert door.authenticate(shown(issued)) is None
    again = store.enrol(METER)
    assert door.authenticate(shown(issued)) is None
    assert door.authenticate(shown(again)) is not None
    assert store.revoke("nobody") == 0


def test_a_rotation_may_overlap(store: CredentialStore, door: Authenticator, clock: Clock) -> None:
    old = store.enrol(METER)
    new = store.rotate("meter-1", overlap_ms=1000)
    assert door.authenticate(shown(old)) is not None
    assert door.authenticate(shown(new)) is not None
    clock.now_ms += 1000
    assert door.authenticate(shown(old)) is None
    assert door.authenticate(shown(new)) is not None
    newest = store.rotate("meter-1")
    assert door.authenticate(shown(new)) is None
    assert door.authenticate(shown(newest)) is not None


def test_a_credential_ends_when_it_was_to_end(
    store: CredentialStore, door: Authenticator, clock: Clock
) -> None:
    issued = store.enrol(METER._replace(valid_days=1))
    identity = door.authenticate(shown(issued))
    assert identity is not None
    assert identity.not_after_ms == clock.now_ms + DAY_MS
    clock.now_ms += DAY_MS
    assert door.authenticate(shown(issued)) is None
    assert not door.is_current(identity)
    with pytest.raises(EnrolmentError, match="enrol"):
        store.rotate("meter-1")


def test_a_concentrator_knows_its_devices(store: CredentialStore, door: Authenticator) -> None:
    request = Request(
        "dcu-1", "evn", "energy", ClientRole.CONCENTRATOR, under=("meter-7", "env/air-2")
    )
    identity = door.authenticate(shown(store.enrol(request)))
    assert identity is not None
    assert identity.under == {"meter-7", "env/air-2"}


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (METER._replace(device="Meter 1"), "device"),
        (METER._replace(device="+"), "device"),
        (METER._replace(device="#"), "device"),
        (METER._replace(org="evn/energy"), "org"),
        (METER._replace(sector="gas"), "sector"),
        (METER._replace(under=("m-2",)), "under"),
        (METER._replace(role=ClientRole.CONCENTRATOR), "under"),
        (METER._replace(role=ClientRole.CONCENTRATOR, under=("energy/+",)), "under"),
        (METER._replace(role=ClientRole.ANONYMOUS), "anonymous"),
    ],
)
def test_an_enrolment_that_makes_no_sense_is_refused(
    store: CredentialStore, request_: Request, why: str
) -> None:
    with pytest.raises(EnrolmentError, match=why):
        store.enrol(request_)
    assert store.devices() == []


def test_a_device_is_enrolled_once(store: CredentialStore) -> None:
    store.enrol(METER)
    with pytest.raises(EnrolmentError, match="rotate or revoke"):
        store.enrol(METER)


def test_the_list_has_each_device_once_and_pages(store: CredentialStore) -> None:
    for n in range(5):
        store.enrol(Request(f"m-{n}", "evn", "energy"))
    store.rotate("m-3")
    assert [one.device for one in store.devices()] == [f"m-{n}" for n in range(5)]
    assert [one.device for one in store.devices(limit=2, after="m-1")] == ["m-2", "m-3"]
    assert len(store.show("m-3")) == 2


def test_a_certificate_is_bound_to_its_device_and_its_row(
    store: CredentialStore, door: Authenticator, tmp_path: Path, clock: Clock
) -> None:
    issued = store.enrol(METER._replace(method=Method.CERTIFICATE))
    files = issued.certificate
    assert files is not None
    certificate = x509.load_pem_x509_certificate(files.certificate_pem)
    ca = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    certificate.verify_directly_issued_by(ca)
    public = certificate.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    mine = Credentials(common_name="meter-1", fingerprint=files.fingerprint)
    assert door.authenticate(mine) is not None
    # another certificate of the same authority with the same name is not this device's
    forged = Authority(tmp_path / "ca", clock).issue("meter-1", 10)
    assert (
        door.authenticate(Credentials(common_name="meter-1", fingerprint=forged.fingerprint))
        is None
    )
    # a good certificate does not help to be somebody else
    named = Credentials("meter-2", common_name="meter-1", fingerprint=files.fingerprint)
    assert door.authenticate(named) is None


def test_a_password_does_not_make_up_for_a_wrong_certificate(
    store: CredentialStore, door: Authenticator
) -> None:
    issued = store.enrol(METER)
    wrong = Credentials("meter-1", issued.secret.encode(), common_name="meter-1")
    assert door.authenticate(wrong) is None


def test_a_pre_shared_key_is_derived_from_the_secret(
    store: CredentialStore, door: Authenticator
) -> None:
    issued = store.enrol(METER._replace(method=Method.PSK))
    assert door._psk_of("meter-1") == psk_of(issued.secret.encode())
    assert door._psk_of("meter-2") == b""
    assert door.authenticate(shown(issued)) is None  # it is no password
    assert door.authenticate(Credentials(psk_identity="meter-1")) is not None
    store.revoke("meter-1")
    assert door._psk_of("meter-1") == b""


def test_no_secret_is_on_disk_in_a_repr_or_in_a_log(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    canary = bytes(range(0xC0, 0xE0))
    caplog.set_level(logging.DEBUG)
    store = CredentialStore(tmp_path, clock, lambda size: canary[:size])
    issued = store.enrol(METER)
    door = Authenticator(tmp_path, clock)
    assert issued.secret == canary.hex()
    claim = store.claim(METER._replace(device="meter-3"), DAY_MS)
    assert door.authenticate(claimed(claim, canary.hex())) is not None
    identity = door.authenticate(shown(issued))
    door.authenticate(Credentials("meter-2", issued.secret.encode()))
    said = f"{issued!r} {store.show('meter-1')!r} {identity!r} {shown(issued)!r}"
    said += f" {claim!r} {claimed(claim)!r} {store.show('meter-3')!r} {caplog.text}"
    assert canary.hex() not in said
    assert "proof" not in said
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert canary not in stored
    assert canary.hex().encode() not in stored


def test_private_files_are_their_owners_only(store: CredentialStore, tmp_path: Path) -> None:
    store.enrol(METER._replace(method=Method.CERTIFICATE))
    for name in ("registry.sqlite", "registry.sqlite-wal", "ca/ca.key"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name


def test_a_certificate_key_does_not_show(store: CredentialStore) -> None:
    issued = store.enrol(METER._replace(method=Method.CERTIFICATE))
    assert "PRIVATE" not in repr(issued)
    assert "PRIVATE" not in repr(issued.certificate)
    assert "PRIVATE" in (issued.certificate.key_pem.decode() if issued.certificate else "")


def test_a_reconnect_storm_of_9000_is_authenticated_in_seconds(
    store: CredentialStore, door: Authenticator
) -> None:
    mine = [shown(store.enrol(Request(f"m-{n}", "evn", "energy"))) for n in range(300)]
    begin = time.process_time()
    for n in range(1500):
        assert door.authenticate(mine[n % 300]) is not None
    took_s = (time.process_time() - begin) / 1500 * 9000
    assert took_s < 10


def test_a_row_shows_what_a_list_needs(store: CredentialStore, clock: Clock) -> None:
    store.enrol(METER)
    (row,) = store.devices()
    assert isinstance(row, Credential)
    assert row.is_good(clock.now_ms)
    assert row.role is ClientRole.DEVICE
    assert row.method is Method.PASSWORD


SECRET = "ab" * 32


def claimed(issued: Issued, secret: str = SECRET) -> Credentials:
    return Credentials(issued.device, f"claim:{issued.secret}:{secret}".encode())


def test_a_claim_is_good_once_and_sets_the_password(
    store: CredentialStore, door: Authenticator
) -> None:
    issued = store.claim(METER, DAY_MS)
    assert door.authenticate(shown(issued)) is None  # it opens nothing by itself
    identity = door.authenticate(claimed(issued))
    assert identity is not None
    assert (identity.device, identity.org, identity.sector) == ("meter-1", "evn", "energy")
    assert identity.not_after_ms == 0
    assert door.is_current(identity)
    assert door.authenticate(claimed(issued, "cd" * 32)) is None
    assert door.authenticate(claimed(issued)) is None
    mine = Credentials("meter-1", SECRET.encode())
    assert door.authenticate(mine) == identity
    again = store.rotate("meter-1")
    assert door.authenticate(mine) is None
    assert door.authenticate(shown(again)) is not None


def test_a_claim_ends_and_belongs_to_one_device(
    store: CredentialStore, door: Authenticator, clock: Clock
) -> None:
    issued = store.claim(METER, DAY_MS)
    other = Credentials("meter-2", claimed(issued).password)
    assert door.authenticate(other) is None
    clock.now_ms += DAY_MS - 1
    for secret in ("", "ab" * 31, "AB" * 32, "ab" * 31 + "ÿ", "ab" * 33):
        assert door.authenticate(claimed(issued, secret)) is None
    with_certificate = Credentials("meter-1", claimed(issued).password, common_name="meter-1")
    assert door.authenticate(with_certificate) is None
    clock.now_ms += 1
    assert door.authenticate(claimed(issued)) is None
    with pytest.raises(EnrolmentError, match="enrol"):
        store.rotate("meter-1")  # a claim is nothing to rotate
    later = store.claim(METER, DAY_MS)  # the one that ended is in nobody's way
    assert door.authenticate(claimed(issued)) is None
    assert door.authenticate(claimed(later)) is not None


def test_a_claim_is_for_a_device_without_credentials_and_can_be_revoked(
    store: CredentialStore, door: Authenticator
) -> None:
    issued = store.claim(METER, DAY_MS)
    with pytest.raises(EnrolmentError, match="rotate or revoke"):
        store.enrol(METER)
    with pytest.raises(EnrolmentError, match="rotate or revoke"):
        store.claim(METER, DAY_MS)
    assert store.revoke("meter-1") == 1
    assert door.authenticate(claimed(issued)) is None


def test_two_listeners_cannot_both_redeem_a_claim(
    store: CredentialStore, tmp_path: Path, clock: Clock
) -> None:
    issued = store.claim(METER, DAY_MS)
    answers: list[object] = []

    def knock(number: int) -> None:
        door = Authenticator(tmp_path, clock)
        answers.append(door.authenticate(claimed(issued, f"{number:064x}")))

    threads = [threading.Thread(target=knock, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer is not None for answer in answers) == 1
    assert len(store.show("meter-1")) == 2
