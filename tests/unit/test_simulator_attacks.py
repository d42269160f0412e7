"""Attacks are drawn by the seed like every scenario, and their bytes follow from it."""

import random

import pytest

from simulators.attacks.insiders import mutated
from simulators.attacks.run import KINDS
from simulators.attacks.world import Attacks
from simulators.city.city import City, Order, Size
from simulators.city.frame import Span
from tests.unit.decode.support import why_rejected

NAMES = [f"meter-{k}" for k in range(50)]
SPAN = Span(1_795_300_200_000, 1_795_303_800_000)


@pytest.mark.parametrize("kind", [f"attack-{kind}" for kind in KINDS])
def test_what_an_order_leaves_open_is_drawn_by_the_seed(kind: str) -> None:
    drawn = [Attacks(seed, NAMES).draw(kind, SPAN, 3, {}) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0].where in NAMES
    assert SPAN.from_ms <= drawn[0].from_ms < drawn[0].to_ms <= SPAN.to_ms


@pytest.mark.parametrize("wish", [{"where": "nowhere"}, {"rate": 0}, {"rate": 1e9}, {"to_ms": 1}])
def test_what_cannot_be_is_refused(wish: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="attack-flood"):
        Attacks(1, NAMES).draw("attack-flood", SPAN, 0, wish)


def test_a_city_knows_attacks_beside_its_own_scenarios() -> None:
    orders = [Order("attack-replay", {}), Order("theft", {})]
    city = City(Size(1, 20, 0), SPAN, orders)
    assert {scenario.kind for scenario in city.scenarios} == {"attack-replay", "theft"}
    assert city.attacks.is_ordered
    assert not City(Size(1, 20, 0), SPAN, orders[1:]).attacks.is_ordered


def test_fuzzed_payloads_are_all_wrong_all_different_and_the_seed_s() -> None:
    made = [
        [mutated(chance, number) for number in range(300)]
        for chance in map(random.Random, (5, 5, 6))
    ]
    assert made[0] == made[1] != made[2]
    assert len(set(made[0])) == 300
    for payload in made[0] + made[2]:
        assert why_rejected(payload, b"tg/1/city/energy/meter-1/t"), payload[:80]
