"""Addresses of pages, looks that are shared, bytes that are shown."""

import asyncio
import threading
from functools import partial

import pytest

from gateway.board.parts.facts import fact_text
from gateway.board.parts.payload import MOST_BYTES, dump, readable_text
from gateway.board.place import Place
from gateway.board.shared import MOST_LOOKS, Shared
from gateway.board.words import ENGLISH, LANGUAGES, said


def test_an_address_keeps_language_light_and_span_and_nothing_usual() -> None:
    place = Place.of({"lang": "vi", "theme": "dark", "range": "7d", "q": "x"})
    assert place.url("/alarm", id="energy-1") == "/alarm?lang=vi&theme=dark&range=7d&id=energy-1"
    assert Place().url("/devices", device="", sector="energy") == "/devices?sector=energy"
    assert Place.of({"wall": ""}).url("/") == "/?wall="


@pytest.mark.parametrize("key", ["lang", "theme", "range"])
def test_what_an_address_cannot_mean_is_the_usual(key: str) -> None:
    assert Place.of({key: '"><script>'}) == Place()


async def test_a_hundred_who_look_at_once_cost_one_look() -> None:
    looked = 0

    def look() -> int:
        nonlocal looked
        looked += 1
        return looked

    now_s = [0.0]
    shared = Shared(lambda: now_s[0])
    assert set(await asyncio.gather(*(shared.see("a", look) for _ in range(100)))) == {1}
    assert await shared.see("a", look) == 1
    now_s[0] += 2
    assert await shared.see("a", look) == 2


async def test_a_look_that_takes_long_is_taken_rarely() -> None:
    now_s = [0.0]

    def slow() -> float:
        now_s[0] += 3.0
        return now_s[0]

    shared = Shared(lambda: now_s[0])
    assert await shared.see("slow", slow) == 3.0
    now_s[0] = 14.9  # a fifth of the time at most: not before 3 + 4 x 3 s
    assert await shared.see("slow", slow) == 3.0
    now_s[0] = 15.1
    assert await shared.see("slow", slow) == 18.1


async def test_what_a_look_raises_is_told_to_all_and_forgotten() -> None:
    fails = True

    def look() -> str:
        if fails:
            raise OSError("the disk is away")
        return "there"

    shared = Shared()
    told = await asyncio.gather(*(shared.see("a", look) for _ in range(3)), return_exceptions=True)
    assert [str(one) for one in told] == ["the disk is away"] * 3
    fails = False
    assert await shared.see("a", look) == "there"


async def test_walking_through_all_places_keeps_few_looks() -> None:
    shared = Shared()
    for number in range(3 * MOST_LOOKS):
        assert await shared.see(("place", number), partial(int, number)) == number
    assert len(shared._kept) == MOST_LOOKS


async def test_one_look_holds_one_thread_however_many_wait() -> None:
    gate, threads = threading.Event(), set()

    def look() -> int:
        threads.add(threading.get_ident())
        gate.wait(10)
        return 1

    shared = Shared()
    waiting = [asyncio.create_task(shared.see("slow", look)) for _ in range(50)]
    await asyncio.sleep(0.05)
    # the threads that readers of the API need are free
    assert await shared.see("other", lambda: 2) == 2
    gate.set()
    assert await asyncio.gather(*waiting) == [1] * 50
    assert len(threads) == 1


def test_bytes_are_shown_as_they_are_and_only_so_many() -> None:
    assert dump(b"ab\x00\xff") == f"000000  61 62 00 ff{' ' * 36}  ab.."
    assert dump(b"x" * (MOST_BYTES + 1)).endswith("\n…")
    assert readable_text(b'{"p":"em1"}') == '{"p":"em1"}'
    assert readable_text(b"\xff\xfe") == ""
    assert readable_text("đ".encode() * MOST_BYTES).startswith("đđ")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("excess_wh_per_day", 5900, "5\u202f900\u00a0Wh/d"),
        ("hidden_wh", 41_000, "41\u00a0kWh"),
        ("worst_pu", 0.912, "0.912\u00a0pu"),
        ("coverage", 0.998, "99.8\u00a0%"),
        ("speed_kmh", 61.25, "61.2\u00a0km/h"),
        ("is_over", True, "yes"),
        ("signs", ["storage", "slow"], "vehicles stay in between, slow"),
        ("norm", "vn-39-2015", "vn-39-2015"),
        ("stored_vehicles", 32, "32"),
    ],
)
def test_the_end_of_a_facts_name_is_its_unit(name: str, value: object, text: str) -> None:
    assert fact_text(name, value, ENGLISH) == text


def test_a_name_that_nobody_translated_is_said_as_it_is() -> None:
    assert said(LANGUAGES["vi"], "kind", "some_new_kind") == "some new kind"
