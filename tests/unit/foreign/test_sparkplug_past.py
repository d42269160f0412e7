"""Messages of Sparkplug that are read again: which births hold where a replay begins."""

from gateway.decode.foreign.sparkplug_past import Births, waiting
from tests.unit.foreign.sparkplug_node import (
    DOUBLE,
    FLOAT,
    M,
    meter_birth,
    meter_data,
    payload,
)

BASE = "spBv1.0/plant"
DEVICE_DATA = payload([M(21.5, FLOAT, alias=100, says_type=False)], seq=2)


def of(*said: tuple[str, bytes]) -> list[tuple[bytes, bytes]]:
    return [(f"{BASE}/{topic}".encode(), data) for topic, data in said]


def test_data_by_alias_before_any_birth_waits_and_what_names_itself_does_not() -> None:
    named = payload([M(1.0, DOUBLE, "Active Power", 3, "kW")], seq=2)
    births = Births()
    found = waiting(
        "import",
        births,
        of(
            ("NDATA/a", meter_data(1)),
            ("NDATA/a", named),
            ("NBIRTH/a", meter_birth()),
            ("NDATA/a", meter_data(1)),
            ("DDATA/a/th1", DEVICE_DATA),
            ("NDATA/b", meter_data(1)),
            ("NDATA/b", b"broken"),
            ("NCMD/b", b""),
        ),
        ["import/plant/c/"],
    )
    assert found == (3, ("plant/a", "plant/b"))
    # what an earlier file, or an earlier import, has said is known
    later = of(("NDATA/a", meter_data(2)), ("NDATA/c", meter_data(2)))
    assert waiting("import", births, later, ["import/plant/c/"]) == (0, ())


def test_a_kept_part_holds_unless_the_journal_has_a_birth_of_it() -> None:
    births = Births()
    waiting("live", births, of(("NBIRTH/a", b""), ("DBIRTH/b/th1", b"")), ())
    parts = ["a", "a/", "a/th1", "b/", "b/th1", "b/th2"]
    kept = [*(f"live/plant/{part}" for part in parts), "import/plant/a/"]
    assert [key for key in kept if births.leaves(key)] == [
        "live/plant/b/", "live/plant/b/th2", "import/plant/a/",
    ]  # fmt: skip
