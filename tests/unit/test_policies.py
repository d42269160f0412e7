"""Dated policy files: the edition of the day, and errors that name file and key."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.policies import Policy, load_policies


class Limit(Policy):
    limit_v: float


def _write(folder: Path, name: str, text: str) -> Path:
    file = folder / "volts" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")
    return folder


def _edition(begin: str, limit: str, *, name: str = "lv") -> str:
    return (
        f'name = "{name}"\neffective_from = {begin}\nutc_offset_min = 420\n'
        f'source = "made up here"\nlimit_v = {limit}\n'
    )


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_edition_of_the_local_day_holds(tmp_path: Path) -> None:
    _write(tmp_path, "b.toml", _edition("2026-03-01", "9.0"))
    _write(tmp_path, "a.toml", _edition("2025-01-01", "10.0"))
    policies = load_policies("volts", Limit, tmp_path)
    # 1 March in UTC+7 begins at 17:00 UTC of the day before.
    assert policies.at("lv", _ms("2026-02-28T16:59:59")).limit_v == 10.0
    assert policies.at("lv", _ms("2026-02-28T17:00:00")).limit_v == 9.0
    assert [edition.limit_v for edition in policies.editions("lv")] == [10.0, 9.0]


def test_before_the_first_edition_nothing_holds(tmp_path: Path) -> None:
    policies = load_policies(
        "volts", Limit, _write(tmp_path, "a.toml", _edition("2025-01-01", "1"))
    )
    with pytest.raises(ConfigError, match="'lv' begins only at 2025-01-01"):
        policies.at("lv", _ms("2024-12-31T16:59:59"))
    assert policies.at("lv", _ms("2024-12-31T17:00:00")).limit_v == 1


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    policies = load_policies(
        "volts", Limit, _write(tmp_path, "a.toml", _edition("2025-01-01", "1"))
    )
    with pytest.raises(ConfigError, match="no policy 'mv'; there are: lv"):
        policies.at("mv", 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (_edition("2025-01-01", '"x"'), r"a\.toml: limit_v: "),
        (_edition("2025-01-01", "1") + "more = 1\n", r"a\.toml: more: "),
        (_edition("2025-01-01", "1").replace("source", "sauce"), r"a\.toml: source: "),
        (_edition("2025-01-01", ""), r"a\.toml: "),
        (_edition("2025-01-01", "1", name="Not A Name"), r"a\.toml: name: "),
    ],
)
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_policies("volts", Limit, _write(tmp_path, "a.toml", text))


def test_two_editions_of_one_day_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, "a.toml", _edition("2025-01-01", "1"))
    _write(tmp_path, "b.toml", _edition("2025-01-01", "2"))
    with pytest.raises(ConfigError, match="two editions of 'lv' from 2025-01-01"):
        load_policies("volts", Limit, tmp_path)
