"""A new user's way in: a first configuration, a first account, and what is said on the way."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.accounts import FILE_NAME, Accounts, is_right
from tests.support.clients import cli
from tests.support.running import ROOT

WORD = "a word of Anna's own"


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "infragate.toml"
    assert cli("init", "-c", str(file)).returncode == 0
    return str(file)


def typed(lines: list[str], *arguments: str) -> tuple[int, str]:
    """Run a command at a terminal and answer its questions; return exit code and all it showed."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=ROOT,
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    shown, answered = b"", 0
    while True:
        try:
            piece = os.read(mine, 4096)
        except OSError:  # EIO: the other end is closed
            break
        if not piece:
            break
        shown += piece
        if shown.count(b": ") > answered < len(lines):  # what is typed before is thrown away
            os.write(mine, f"{lines[answered]}\n".encode())
            answered += 1
    os.close(mine)
    return process.wait(30), shown.decode()


def test_without_a_file_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    done = cli("run", "-c", str(tmp_path / "infragate.toml"))
    assert done.returncode == 2
    assert "infragate init" in done.stderr


def test_what_init_writes_is_good_and_never_overwritten(config: str) -> None:
    done = cli("check", "-c", config, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sign_in"].startswith("nobody is asked")
    before = Path(config).read_text("utf-8")
    again = cli("init", "-c", config)
    assert (again.returncode, Path(config).read_text("utf-8")) == (2, before)


def test_a_first_account_is_one_command(config: str) -> None:
    """A password is made, and shown this once."""
    done = cli("operator", "add", "Anna", "--generate", "-c", config)
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:8080/sign-in" in done.stdout
    password = next(line.split()[1] for line in done.stdout.splitlines() if "password " in line)
    file = Path(config).parent / "var" / FILE_NAME
    assert password not in file.read_text("utf-8")
    account = Accounts(file.parent).all()["Anna"]
    assert is_right(account, password)
    listed = cli("operator", "list", "-c", config)
    assert "Anna" in listed.stdout
    assert password not in listed.stdout + cli("operator", "list", "-c", config, "--json").stdout
    checked = json.loads(cli("check", "-c", config, "--json").stdout)
    assert checked["sign_in"] == "accounts and operators: 1"


def test_a_password_is_typed_twice_and_not_shown(config: str) -> None:
    code, shown = typed([WORD, WORD], "operator", "add", "Anna", "-c", config)
    assert code == 0, shown
    assert WORD not in shown
    assert is_right(Accounts(Path(config).parent / "var").all()["Anna"], WORD)
    code, shown = typed([f"{WORD} 2", "other"], "operator", "password", "Anna", "-c", config)
    assert code == 2
    assert "not the same" in shown
    assert is_right(Accounts(Path(config).parent / "var").all()["Anna"], WORD)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "a:b"), 2, "no colon"),
        (("remove", "Nobody"), 1, "no account"),
        (("password", "Nobody"), 1, "no account"),
    ],
)
def test_what_is_wrong_is_said(
    config: str, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = cli("operator", *arguments, "-c", config)
    assert (done.returncode, said in done.stderr) == (code, True)


def test_an_account_is_made_once_and_removed_once(config: str) -> None:
    assert cli("operator", "add", "Anna", "--generate", "-c", config).returncode == 0
    assert "has an account" in cli("operator", "add", "Anna", "-c", config).stderr
    assert cli("operator", "remove", "Anna", "-c", config).returncode == 0
    assert cli("operator", "remove", "Anna", "-c", config).returncode == 1
    assert "Nobody has an account" in cli("operator", "list", "-c", config).stdout


@pytest.mark.parametrize(("content", "mode"), [(None, 0o644), ("no JSON", 0o600)])
def test_an_account_file_that_cannot_be_read_keeps_no_device_from_being_heard(
    config: str, content: str | None, mode: int
) -> None:
    """``run`` starts by what ``check`` says: the web process lets nobody in, the rest goes on."""
    assert cli("operator", "add", "Anna", "--generate", "-c", config).returncode == 0
    file = Path(config).parent / "var" / FILE_NAME
    if content is not None:
        file.write_text(content)
    file.chmod(mode)
    done = cli("check", "-c", config, "--json")
    assert done.returncode == 0, done.stderr
    assert "account file cannot be read" in json.loads(done.stdout)["sign_in"]
    assert FILE_NAME in done.stderr


@pytest.mark.parametrize(("piped", "code"), [(f"{WORD}\n", 0), ("", 2)])
def test_a_password_is_read_from_a_pipe_never_made_instead(
    config: str, piped: str, code: int
) -> None:
    command = [sys.executable, "-m", "gateway", "operator", "add", "Anna", "-c", config]
    done = subprocess.run(
        command, input=piped, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "shown once" not in done.stdout
    known = Accounts(Path(config).parent / "var").all()
    assert is_right(known.get("Anna"), WORD) is (code == 0)
