"""Accounts of people: what is kept of a password, and from when on a change holds."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from gateway.errors import ConfigError
from gateway.store.accounts import (
    FILE_NAME,
    LEAST_LETTERS,
    MOST_LETTERS,
    Accounts,
    Role,
    is_right,
    make_password,
    new_account,
)

NOW_MS = 1_795_300_200_000
WORD = "đèn xanh đèn đỏ"


def test_what_is_kept_is_what_another_library_calls_scrypt() -> None:
    one = new_account("Anna", Role.OPERATOR, WORD, NOW_MS, lambda count: bytes(range(count)))
    other = Scrypt(salt=bytes(range(16)), length=32, n=1 << 15, r=8, p=3)
    assert bytes.fromhex(one.hash) == other.derive(WORD.encode())
    assert is_right(one, WORD)
    assert not is_right(one, WORD + " ")
    assert not is_right(None, WORD)


def test_no_password_and_no_hash_is_shown_or_kept_in_the_open(tmp_path: Path) -> None:
    one = new_account("Anna", Role.OPERATOR, WORD, NOW_MS)
    Accounts(tmp_path).put(one)
    file = tmp_path / FILE_NAME
    assert WORD not in file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    assert one.hash not in repr(one)


def test_a_change_holds_from_the_next_look_on(tmp_path: Path) -> None:
    reader, writer = Accounts(tmp_path), Accounts(tmp_path)
    assert not reader.all()
    writer.put(new_account("Anna", Role.VIEWER, WORD, NOW_MS))
    writer.put(new_account("Bình", Role.OPERATOR, WORD, NOW_MS))
    assert reader.all().keys() == {"Anna", "Bình"}
    assert reader.all() is reader.all()  # not read again as long as nothing has changed
    assert reader.all()["Anna"].hash != reader.all()["Bình"].hash  # each has a salt
    assert writer.remove("Anna")
    assert not writer.remove("Anna")
    assert reader.all().keys() == {"Bình"}


def test_who_may_read_the_file_beside_its_owner_is_not_trusted(tmp_path: Path) -> None:
    Accounts(tmp_path).put(new_account("Anna", Role.OPERATOR, WORD, NOW_MS))
    (tmp_path / FILE_NAME).chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        Accounts(tmp_path).all()


def test_a_file_that_is_none_of_ours_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_text('{"version":1,"accounts":[{"name":"x"}]}')
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=r"accounts\.json"):
        Accounts(tmp_path).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"hash": ""},
        {"hash": "x" * 64},
        {"hash": "ab" * 31},
        {"hash": "ab" * 32 + "\n"},
        {"salt": ""},
        {"salt": "zz" * 16},
        {"log_n": 0},
        {"log_n": 40},
        {"r": 0},
        {"r": 1 << 20},
        {"p": -1},
        {"p": 1 << 20},
        {"name": ""},
    ],
    ids=str,
)
def test_a_damaged_record_is_said_to_be_one(tmp_path: Path, damage: dict[str, object]) -> None:
    Accounts(tmp_path).put(new_account("Anna", Role.OPERATOR, WORD, NOW_MS))
    file = tmp_path / FILE_NAME
    known = json.loads(file.read_bytes())
    known["accounts"][0] |= damage
    file.write_text(json.dumps(known))
    with pytest.raises(ConfigError, match=r"accounts\.json"):
        Accounts(tmp_path).all()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000], ids=["", "bytes", "deep"])
def test_a_file_of_nonsense_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=r"accounts\.json"):
        Accounts(tmp_path).all()


@pytest.mark.parametrize("length", [0, LEAST_LETTERS - 1, MOST_LETTERS + 1])
def test_a_password_has_a_length(length: int) -> None:
    with pytest.raises(ConfigError, match="characters"):
        new_account("Anna", Role.OPERATOR, "x" * length, NOW_MS)


def test_a_password_that_is_made_is_twenty_letters_that_are_read_right() -> None:
    assert make_password(lambda count: bytes(range(count))) == "abcde-fghij-kmnpq-rstuv"
    made = {make_password() for _ in range(100)}
    assert len(made) == 100
    assert not set("".join(made)) & set("01lo")
