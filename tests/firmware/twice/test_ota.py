"""Updates: only what is signed gets in, and a power cut at any step leaves a slot that runs."""

import os
import struct
from binascii import b2a_base64, crc32

import boot as booting
from boot import Boot
from fieldnode.core import ota
from fieldnode.core.ota import CHUNK, OtaError, Update, is_signed
from fieldnode.core.trial import GOOD_MS, TRIAL_MS, Trial
from fieldnode.hal.sim import PowerCut
from rom import Part
from tests.firmware.twice.support import Draw, count_of, flash_of, image, is_micropython, raises

SECTOR = 512
SLOT_SECTORS = 6


def signed(name: str) -> bytes:
    """What tests/firmware/conftest.py has signed: keys are made for each run, none is kept."""
    with open((os.getenv("FIELDNODE_OTA") or "") + "/" + name, "rb") as file:
        return file.read()


class Board:
    """Flash with state and two slots, the old image in the first, and what survives a reset."""

    def __init__(self, seed: int = 1, manifest: bytes = b"") -> None:
        self.draw = Draw(seed)
        self.flash = flash_of(2 + 2 * SLOT_SECTORS, self.draw, SECTOR)
        self.memory: "dict[str, bytes]" = {}
        self.slots = [Part(self.flash, 2, SLOT_SECTORS), Part(self.flash, 8, SLOT_SECTORS)]
        self.fill(0, manifest or signed("v2"), image(2))

    def fill(self, slot: int, manifest: bytes, body: bytes) -> None:
        """Put an image there, as a cable does."""
        for number in range(SLOT_SECTORS):
            self.slots[slot].ioctl(6, number)
        head = manifest + struct.pack("<I", crc32(manifest))
        self.slots[slot].writeblocks(0, bytearray(head), 0)
        for at in range(0, len(body), SECTOR):
            self.slots[slot].writeblocks(1 + at // SECTOR, bytearray(body[at : at + SECTOR]), 0)

    def put(self, key: str, value: "bytes | None") -> None:
        """``kv_put``: a cut leaves the old or the new."""
        is_cut = self.flash._is_cut()
        if not is_cut or self.draw(2):
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = bytes(value)
        if is_cut:
            raise PowerCut

    def boot(self) -> Boot:
        """Start, and hold the choice against what really lies in the slot."""
        started = Boot(Part(self.flash, 0, 2), self.slots)
        started.choose()
        self.version(started)
        return started

    def version(self, started: Boot) -> int:
        """Return the version that runs, byte for byte."""
        body = bytearray(SECTOR)
        head = started.manifest(started.running)
        assert head is not None
        number = ota.parse(head)[1]
        wanted = image(number)
        for at in range(0, len(wanted), SECTOR):
            self.slots[started.running].readblocks(1 + at // SECTOR, body, 0)
            assert bytes(body[: len(wanted) - at]) == wanted[at : at + SECTOR]
        return number

    def update(self, started: Boot, key: str = "key") -> Update:
        return Update(started, (self.memory.get, self.put), signed(key), "meter")

    def send(self, update: Update, manifest: bytes, body: bytes) -> "dict[str, object]":
        """Do what the sender does: ask where to go on, and go on there."""
        text = b2a_base64(manifest).decode().strip()
        reply = update.command("begin", {"manifest": text})
        while not reply.get("error") and not reply["done"]:
            at = int(str(reply["at"]))
            data = b2a_base64(body[at : at + CHUNK]).decode()
            reply = update.command("chunk", {"at": at, "data": data})
        return reply


def test_an_update_runs_its_trial_and_stays() -> None:
    board = Board()
    started = board.boot()
    assert (board.version(started), started.is_safe) == (2, False)
    reply = board.send(board.update(started), signed("v3"), image(3))
    assert reply == {"at": 0, "size": 0, "done": True, "fw": "0.0.2", "trial": False}
    started = board.boot()
    assert board.version(started) == 3
    update = board.update(started)
    assert update.command("state", {})["trial"]
    assert update.command("state", {})["fw"] == "0.0.3"
    trial = Trial(started)
    assert not trial.tick(GOOD_MS - 1, has_receipt=True)
    assert (started.active, started.floor) == (0, 0)
    assert not trial.tick(GOOD_MS, has_receipt=True)
    assert (started.active, started.floor) == (1, 3)
    assert not trial.tick(TRIAL_MS, has_receipt=True)
    for _ in range(booting.TRIES + 1):
        started = board.boot()
        assert (board.version(started), started.on_trial) == (3, 0)


def test_a_manifest_counts_only_as_its_signer_made_it() -> None:
    good, key = signed("v3"), signed("key")
    assert is_signed(good, key)
    assert not is_signed(signed("stranger"), key)
    assert is_signed(signed("stranger"), signed("strange-key"))
    assert not is_signed(good, b"")
    assert not is_signed(good[:-1], key)
    assert not is_signed(good + b"\0", key)
    step = 1 if not is_micropython() else 7
    for place in range(0, len(good), step):
        wrong = bytearray(good)
        wrong[place] ^= 1 << place % 8
        assert not is_signed(bytes(wrong), key), place
    larger = int.from_bytes(good[64:], "big") + int.from_bytes(key, "big")
    if larger < 1 << 3072:  # the same number modulo n must not pass for another signature
        assert not is_signed(good[:64] + larger.to_bytes(384, "big"), key)


def test_what_must_not_run_is_refused_before_anything_is_touched() -> None:
    board = Board()
    started = board.boot()
    board.fill(1, signed("v3"), image(3))
    update = board.update(started)
    writes = board.flash.operations
    for name, why in (
        ("stranger", "signature"),
        ("v1", "downgrade"),
        ("lane", "board"),
        ("huge", "size"),
        ("empty", "size"),
        ("magic", "format"),
    ):
        reply = board.send(update, signed(name), image(1))
        assert reply == {"error": why, "at": 0}, name
        assert board.send(update, signed(name)[:-9], b"")["error"] == "signature"
    started.floor = 4
    assert board.send(update, signed("v3"), image(3))["error"] == "downgrade"  # counter 3
    keyless = Update(started, (board.memory.get, board.put), b"", "meter")
    assert board.send(keyless, signed("v3"), b"")["error"] == "no key"
    assert (board.flash.operations, board.memory) == (writes, {})


def test_words_that_are_no_commands_are_answered() -> None:
    board = Board()
    update = board.update(board.boot())
    assert update.command("chunk", {"at": 0, "data": "AAAA"})["error"] == "begin"
    assert update.command("chunk", {"at": 0, "data": 7})["error"] == "data"
    assert update.command("begin", {"manifest": "A"})["error"] == "manifest"
    assert update.command("begin", {})["error"] == "manifest"
    assert update.command("erase", {})["error"] == "unknown"
    update.begin(signed("v3"))
    assert update.command("chunk", {"at": 0, "data": "AAAA"})["error"] == "chunk"
    late = b2a_base64(image(3)[:CHUNK]).decode()
    assert update.command("chunk", {"at": CHUNK, "data": late})["at"] == 0
    assert update.command("chunk", {"at": 0, "data": late})["at"] == CHUNK
    assert update.command("chunk", {"at": 0, "data": late})["at"] == CHUNK
    raises(OtaError, update.begin, b"")


def test_an_image_that_is_not_the_signed_one_never_runs() -> None:
    board = Board()
    started = board.boot()
    for wrong in (image(4)[: len(image(3))], image(3)[:-1] + b"\xff"):
        reply = board.send(board.update(started), signed("v3"), wrong)
        assert reply == {"error": "sha256", "at": 0}
        assert started.manifest(1) is None
        started = board.boot()
        assert board.version(started) == 2
    assert board.send(board.update(started), signed("v3"), image(3))["done"]
    assert board.version(board.boot()) == 3


def test_a_slot_that_crashes_or_hears_nothing_goes_back() -> None:
    board = Board()
    assert board.send(board.update(board.boot()), signed("v3"), image(3))["done"]
    for _ in range(booting.TRIES):
        started = board.boot()
        assert board.version(started) == 3
        update = board.update(started)
        assert board.send(update, signed("v4"), image(4))["error"] == "trial"
        trial = Trial(started)
        assert not trial.tick(GOOD_MS, has_receipt=False)
        assert not trial.tick(TRIAL_MS - 1, has_receipt=False)
        assert trial.tick(TRIAL_MS, has_receipt=False)
    started = board.boot()
    assert (board.version(started), started.on_trial, started.manifest(1)) == (2, 0, None)
    assert board.send(board.update(started), signed("v4"), image(4))["done"]
    assert board.version(board.boot()) == 4


def test_an_image_that_rots_while_on_trial_goes_back() -> None:
    board = Board()
    assert board.send(board.update(board.boot()), signed("v3"), image(3))["done"]
    assert board.version(board.boot()) == 3
    board.flash.flip(8 + 2, 100, 3)
    assert board.version(board.boot()) == 2


def live(board: Board) -> None:
    """Update to version 3 and stay there, in as many boots as it takes."""
    for _ in range(booting.TRIES + 2):
        started = board.boot()
        update = board.update(started)
        if board.version(started) == 3:
            assert not Trial(started).tick(GOOD_MS, has_receipt=True)
            return
        assert board.send(update, signed("v3"), image(3))["done"]
    raise AssertionError("the update did not get through")


def test_a_power_cut_at_every_step_leaves_an_old_or_a_new_slot() -> None:
    cuts = step = 0
    for seed in range(count_of(3, 40)):
        step = 0
        is_through = False
        while not is_through:
            step += 1
            board = Board(seed * 1000 + step, signed("v2"))
            board.flash.power_up()
            board.flash.cut_at = step
            try:
                live(board)
                is_through = True
            except PowerCut:
                cuts += 1
                board.flash.power_up()
                board.boot()  # holds every byte of what it chose against its image
                live(board)
            board.flash.power_up()
            assert board.version(board.boot()) == 3
    assert step > 20
    assert cuts > 60


def test_cut_after_cut_the_update_gets_through() -> None:
    for seed in range(count_of(15, 300)):
        board = Board(seed)
        is_through = False
        lives = 0
        while not is_through:
            lives += 1
            board.flash.power_up()
            # further and further, or a trial that is cut three times each time would go on for ever
            board.flash.cut_at = 1 + board.draw(10 + lives)
            try:
                live(board)
                is_through = True
            except PowerCut:
                pass
        assert 1 < lives < 200
        board.flash.power_up()
        assert board.version(board.boot()) == 3


def test_repeated_crashes_lead_to_safe_mode_and_then_to_an_older_image() -> None:
    board = Board()
    board.fill(1, signed("v3"), image(3))
    for crash in range(1, booting.SWAP + 1):
        started = board.boot()
        assert (board.version(started), started.is_safe) == (2, crash > booting.SAFE)
    started = board.boot()
    assert (board.version(started), started.active, started.is_safe) == (3, 1, False)
    started.good(has_receipt=False)
    assert (started.crashes, board.boot().crashes) == (0, 1)


def test_an_image_below_the_floor_never_runs_again() -> None:
    board = Board()
    board.fill(1, signed("v1"), image(1))
    started = board.boot()
    started.floor = 2
    started.save()
    for _ in range(booting.SWAP + 3):
        assert board.version(board.boot()) == 2


def test_a_rotten_image_gives_way_to_a_sound_one() -> None:
    board = Board()
    board.fill(1, signed("v1"), image(1))
    board.flash.flip(2 + 1, 7, 0)
    started = board.boot()
    assert (board.version(started), started.active) == (1, 1)
    board.flash.flip(8, 20, 0)  # in the manifest, this time
    assert Boot(Part(board.flash, 0, 2), board.slots).choose() == 1  # nothing is left: stay


def test_the_state_survives_many_boots_and_a_flipped_bit() -> None:
    board = Board()
    for _ in range(100):  # 32 records in a sector
        board.boot().good(has_receipt=True)
    assert board.flash.erases[0] + board.flash.erases[1] <= 8
    started = board.boot()
    assert (started.active, started.crashes) == (0, 1)
    again = Boot(Part(board.flash, 0, 2), board.slots)
    board.flash.flip(again._no, again._at - 9, 5)
    older = Boot(Part(board.flash, 0, 2), board.slots)
    assert (older.active, older.crashes) == (0, 0)
    assert (older._no, older._at) == (again._no, again._at)


def test_a_finished_update_is_forgotten() -> None:
    board = Board()
    assert board.send(board.update(board.boot()), signed("v3"), image(3))["done"]
    board.memory["ota_man"] = signed("v3")  # the cut came before this was removed
    board.memory["ota_at"] = struct.pack("<I", len(image(3)))
    started = board.boot()
    assert board.update(started).command("state", {})["size"] == 0
    assert board.memory == {}


def test_an_update_whose_last_step_was_cut_is_finished_by_asking_again() -> None:
    board = Board()
    started = board.boot()
    assert board.send(board.update(started), signed("v3"), image(3))["done"]
    board.memory["ota_man"] = signed("v3")  # all chunks are there, the head of the slot perhaps
    board.memory["ota_at"] = struct.pack("<I", len(image(3)))
    update = board.update(started)
    assert board.send(update, signed("v3"), b"")["done"]
    assert board.memory == {}
    assert board.version(board.boot()) == 3
