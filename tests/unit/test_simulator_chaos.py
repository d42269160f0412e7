"""Faults follow from the seed, bad messages are all different, the ledger knows its readings."""

import json
from collections import Counter

from simulators.chaos.bad import bad_message
from simulators.chaos.ledger import make_ledger
from simulators.chaos.schedule import make_schedule
from tests.unit.decode.support import decode_one, why_rejected

ABLE = {
    *("kill-gateway", "kill-child", "kill-broker", "kill-database", "pause-gateway"),
    *("pause-broker", "reset", "forget", "refuse", "slow", "disk-full", "clock-jump"),
}


def test_a_schedule_is_its_seed() -> None:
    assert make_schedule(5, 60, 12, ABLE) == make_schedule(5, 60, 12, ABLE)
    assert make_schedule(5, 60, 12, ABLE) != make_schedule(6, 60, 12, ABLE)


def test_a_schedule_has_as_many_kills_as_asked_for_and_every_kind() -> None:
    faults = make_schedule(1, 120, 40, ABLE)
    counts = Counter(fault.kind for fault in faults)
    assert counts["kill-gateway"] + counts["kill-child"] == 40
    assert counts["kill-broker"] == counts["kill-database"] == 10
    assert set(counts) == ABLE
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert all(0 <= fault.at_s < 121 and 0 <= fault.for_s < 5 for fault in faults)


def test_what_the_machine_cannot_do_is_left_out() -> None:
    faults = make_schedule(1, 60, 5, ABLE - {"disk-full", "kill-database"})
    assert not {"disk-full", "kill-database"} & {fault.kind for fault in faults}
    assert sum(fault.kind in {"kill-gateway", "kill-child"} for fault in faults) == 5


def test_every_bad_message_is_refused_and_like_no_other() -> None:
    bad = [bad_message(3, number, is_native=False) for number in range(500)]
    assert len({one.key for one in bad}) == 500
    assert bad == [bad_message(3, number, is_native=False) for number in range(500)]
    assert not {one.key for one in bad} & {
        bad_message(4, n, is_native=False).key for n in range(99)
    }
    for one in bad:
        assert why_rejected(one.payload, one.topic.encode()), one
    assert all(bad_message(3, n, is_native=True).topic.startswith("tg/1/") for n in range(99))


def test_a_message_of_the_ledger_means_what_the_ledger_says() -> None:
    book = make_ledger(9, 4).books[3]
    for _ in range(5):
        book.add(1_795_300_200_000)
    assert book.times_ms == sorted(set(book.times_ms))
    message = json.loads(book.message((2, 3, 4)))
    assert (message["n"], message["log"]) == (2, 7)
    for place, row in enumerate(message["r"]):
        assert message["t"] + row[0] == book.times_ms[1 + place]
        assert tuple(row[1:-1]) == book.values(2 + place)
    decoded = decode_one(book.message((2, 3, 4)), b"tg/1/chaos/energy/chaos-003/t")
    assert decoded.readings.seq.tolist() == [2, 3, 4]


def test_a_promise_is_a_receipt_or_the_puback_of_the_listener() -> None:
    through_broker, direct = make_ledger(1, 2).books
    for book in (through_broker, direct):
        for _ in range(3):
            book.add(1)
        book.receipted = 1
        book.acknowledged.add(2)
    assert [through_broker.is_promised(seq) for seq in (1, 2, 3)] == [True, False, False]
    assert [direct.is_promised(seq) for seq in (1, 2, 3)] == [True, True, False]
