"""An import waits for what a running gateway has in its journal, and not for ever."""

from pathlib import Path
from typing import Any

import pytest

from gateway.cli import delivery
from gateway.config import Settings
from gateway.errors import GatewayError


class Told:
    """A gateway that has processed a bit more each time it is asked."""

    def __init__(self, durable: int, *processed: int) -> None:
        self.durable, self.left = durable, list(processed)

    def ask(self, _settings: Settings, _request: dict[str, Any]) -> dict[str, Any]:
        processed = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return {"processed_record": processed, "durable_record": self.durable}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "control.sock").touch()
    monkeypatch.setattr(delivery, "_BUSY_S", 0.001)
    monkeypatch.setattr(delivery, "_BEHIND_S", 0.02)
    return Settings.model_validate({"gateway": {"data_dir": str(tmp_path)}})


@pytest.mark.parametrize(
    ("processed", "knows_all"),
    [((7,), True), ((0, 3, 7), True), ((0, 6), False)],
    ids=["at the end", "on its way", "stuck"],
)
def test_all_is_known_once_the_journal_is_processed(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    processed: tuple[int, ...],
    *,
    knows_all: bool,
) -> None:
    monkeypatch.setattr(delivery, "ask", Told(7, *processed).ask)
    with delivery.open_delivery(settings) as way:
        shares: list[float] = []
        assert way.catch_up(shares.append) is knows_all
    assert all(0 <= share <= 1 for share in shares)


def test_a_gateway_that_takes_nothing_more_is_not_taken_for_one_that_is_down(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ask", Told(7, 7).ask)
    with (
        pytest.raises(GatewayError, match="is its disk full"),
        delivery.open_delivery(settings),
    ):
        raise GatewayError("the gateway takes no messages: is its disk full?")
