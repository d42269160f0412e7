"""The configuration file: what is wrong in it is named, and nothing unsafe starts by accident."""

from pathlib import Path

import pytest

from gateway.config import Settings, load_settings
from gateway.config.values import Secret, is_loopback
from gateway.errors import ConfigError

LISTENER = '[[source]]\ntype = "listener"\n'
BROKER = '[[source]]\ntype = "broker"\nclient_id = "c"\n'
SINK = '[[sink]]\nname = "s"\ntype = "influx1"\n'


def load(folder: Path, text: str) -> Settings:
    file = folder / "infragate.toml"
    file.write_text(text, "utf-8")
    return load_settings(file)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        load(folder, text)
    words = str(refused.value)
    assert words.startswith(f"{folder}/infragate.toml: ")
    return words.removeprefix(f"{folder}/infragate.toml: ")


@pytest.mark.clause("1437.II.3.a-6")
@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("[gateway]\ndata_dri = 'x'", "gateway.data_dri: unknown key"),
        ("[getaway]\n", "getaway: unknown key"),
        ("[gateway]\ndata_dir = \n", "Invalid value (at line 2"),
        (LISTENER + "port = 1883", "source.0.port: unknown key"),
        ("[[source]]\nlisten = '127.0.0.1:1'", "source.0: give type"),
        (BROKER, "source.0.url: this key is missing"),
        (BROKER + "url = 'mqtt://h:99999'\ninsecure = true", "source.0: Port out of range"),
        (BROKER + "url = 'amqp://h'", "source.0: url must be"),
        (BROKER + "url = 'mqtt://u:p@127.0.0.1'", "source.0: no password in the url"),
        (BROKER + "url = 'mqtt://127.0.0.1'\npassword = 'x'", "source.0.password: "),
        (LISTENER + "max_age = 'old'", "source.0.max_age: 'old' is not a duration"),
        ("[validation]\nlive_age = '1 h'", "validation.live_age: '1 h' is not a duration"),
        (LISTENER + "listen = '1883'", "source.0: '1883' is not host:port"),
        (SINK + "url = 'influx:8086'", "sink.0.url: 'influx:8086' is not http"),
        (SINK + "url = 'http://u:p@h'", "sink.0.url: no password in the url"),
        (SINK + "url = 'http://h'\n" + SINK + "url = 'http://h'", "file: sink name 's'"),
        (LISTENER + LISTENER, "file: listen '127.0.0.1:1883' is used twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, begins: str) -> None:
    assert refusal(tmp_path, text).startswith(begins)


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    words = refusal(tmp_path, "a = 1\n[gateway]\nb = 2\n[http]\nc = 3")
    assert [line.rpartition(": ")[0].split(": ")[-1] for line in words.splitlines()] == [
        "gateway.b",
        "http.c",
        "a",
    ]


@pytest.mark.clause("749.III.5")
@pytest.mark.parametrize(
    "text",
    [
        LISTENER + "listen = '0.0.0.0:1883'",
        LISTENER + "listen = '[::]:1883'",
        LISTENER + "listen = '127.0.0.1.example.com:1883'",
        LISTENER + "listen = '0.0.0.0:8883'\ncert = 'c'\nkey = 'k'\nanonymous = true",
        BROKER + "url = 'mqtt://10.0.0.7'",
        BROKER + "url = 'mqtt://127.evil.example'",
        "[http]\nlisten = '0.0.0.0:8080'",
        "[http]\nlisten = '0.0.0.0:8080'\ntoken = { env = 'T' }",
    ],
)
def test_beyond_loopback_what_is_unsafe_must_be_said(tmp_path: Path, text: str) -> None:
    assert "insecure = true" in refusal(tmp_path, text)
    settings = load(tmp_path, f"{text}\ninsecure = true")
    assert len(settings.exposures) == 1


@pytest.mark.parametrize(
    "text",
    [
        LISTENER + "insecure = true",
        LISTENER + "listen = '[::1]:1883'\ninsecure = true\nanonymous = true",
        LISTENER + "listen = '0.0.0.0:8883'\ncert = 'c'\nkey = 'k'\ninsecure = true",
        LISTENER + "listen = '0.0.0.0:8883'\npsk = true",
        BROKER + "url = 'mqtts://10.0.0.7'\ninsecure = true",
        BROKER + "url = 'mqtt://localhost'",
        "[http]\nlisten = '0.0.0.0:80'\ncert = 'c'\nkey = 'k'\ntoken = {env = 'T'}",
    ],
)
def test_what_lays_nothing_open_is_no_exposure(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).exposures == ()


def test_loopback_is_an_address_not_a_way_to_write_one() -> None:
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "127.0.0.1.nip.io", "127.example", "localhost.example", ""):
        assert not is_loopback(host)


@pytest.mark.clause("1437.II.3.a-6")
def test_secrets_come_from_their_owners_files_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="readable by others"):
        Secret(file=file).reveal()
    file.chmod(0o600)
    assert Secret(file=file).reveal() == "s3cret"
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        Secret(file=file).reveal()
    with pytest.raises(ConfigError, match="No such file"):
        Secret(file=tmp_path / "none").reveal()
    monkeypatch.setenv("INFRAGATE_TEST_SECRET", "from outside")
    assert Secret(env="INFRAGATE_TEST_SECRET").reveal() == "from outside"
    with pytest.raises(ConfigError, match="INFRAGATE_TEST_NONE is empty"):
        Secret(env="INFRAGATE_TEST_NONE").reveal()
    for both in ({}, {"file": file, "env": "X"}):
        with pytest.raises(ValueError, match="exactly one"):
            Secret.model_validate(both)


def test_relative_paths_begin_at_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "[gateway]\ndata_dir = 'd'\n[http]\ntoken = {file = 't'}")
    assert settings.gateway.data_dir == tmp_path / "d"
    assert settings.http is not None
    assert settings.http.token == Secret(file=tmp_path / "t")


def test_a_secret_written_into_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for key in ("password = 'hunter2'", "password = {file = 'f', value = 'hunter2'}"):
        assert "hunter2" not in refusal(tmp_path, f"{BROKER}url = 'mqtt://127.0.0.1'\n{key}")
