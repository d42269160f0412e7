"""Options that nobody can mean: refused in words, never a traceback."""

import pytest

from simulators.__main__ import main

SERVER = ("--mqtt", "mqtt://127.0.0.1:9")


@pytest.mark.parametrize(
    "options",
    [
        ("fleet", *SERVER, "--interval-s", "inf", "--seconds", "0.1"),
        ("fleet", *SERVER, "--meters", "-3", "--detectors", "5", "--seconds", "0.1"),
        ("fleet", *SERVER, "--interval-s", "1e308", "--seconds", "0.1"),
        ("foreign", *SERVER, "--rounds", "-2"),
        ("load", *SERVER, "--seconds", "nan"),
        ("load", *SERVER, "--devices", "10000000000000000"),
        ("attack", "flood", *SERVER, "--seconds", "-1"),
        ("city", "--days", "inf", "--meters", "1"),
        ("chaos", "--seconds", "5", "--devices", "10", "--rate", "1", "--out", "/dev/null/no"),
    ],
)
def test_an_impossible_option_is_misuse(
    options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(options))
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err
