"""Foreign formats in a pipeline that dies between any two messages: the same is stored."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.decode import Foreign
from gateway.decode.foreign.family import SHIPPED, load_family
from gateway.decode.foreign.mapped import MappedFamily
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.sparkplug import Sparkplug
from gateway.model import Record
from tests.gatehouse import PROFILES, T0_MS, Gatehouse
from tests.unit.foreign.rig import FEW
from tests.unit.foreign.sparkplug_node import meter_birth, meter_data

# A Shelly sends its values on a topic each, some within a millisecond, and has no clock.
TOPICS = ("relay/0/power", "relay/0/energy", "sensor/temperature")
BASE = "spBv1.0/plant"


SHELLY = load_family(SHIPPED / "shelly-gen1.toml")
OPTIONS = Options(PROFILES, (), None, "site")


def formats() -> Sequence[Foreign]:
    return Sparkplug(OPTIONS), MappedFamily(SHELLY, OPTIONS)


def house() -> Gatehouse:
    return Gatehouse(foreign=formats)


def record(number: int, received_ms: int, topic: str, payload: bytes) -> Record:
    return Record(number, received_ms, 0, 1, topic.encode(), payload)


def test_two_values_of_one_millisecond_are_two_readings_also_across_a_kill() -> None:
    """A checkpoint lies between them: the one behind it is made again by a process that is new."""
    gates = house()
    first = record(1, T0_MS, "shellies/s1/relay/0/power", b"42.5")
    second = record(2, T0_MS, "shellies/s1/relay/0/energy", b"600")
    gates.run([first])
    gates.checkpoint(2)
    gates.run([second])
    before = gates.store.readings()
    gates.start()
    gates.run([second])
    assert gates.store.readings() == before
    assert [reading[4] for reading in before] == [T0_MS, T0_MS + 1]


@FEW
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([*TOPICS, "spark"]), st.integers(0, 2), st.integers(0, 3)),
        min_size=1,
        max_size=20,
    )
)
def test_kills_between_any_two_messages_change_nothing(
    steps: list[tuple[str, int, int]],
) -> None:
    """0: checkpoint and kill; 1: kill, and what came since the last checkpoint is run again."""
    whole, cut = house(), house()
    birth = record(1, T0_MS, f"{BASE}/NBIRTH/edge1", meter_birth())
    records = [birth]
    for number, (topic, later_ms, _) in enumerate(steps, 2):
        at_ms = records[-1].received_ms + later_ms
        if topic == "spark":
            data = meter_data((number - 1) % 256, T0_MS + number)
            records.append(record(number, at_ms, f"{BASE}/NDATA/edge1", data))
        else:
            records.append(record(number, at_ms, f"shellies/s1/{topic}", b"21.5"))
    kept = 1  # the first record behind the last checkpoint
    for one, (_, _, fate) in zip(records, [("", 0, 3), *steps], strict=True):
        whole.run([one])
        cut.run([one])
        if fate == 0:
            cut.checkpoint(one.number + 1)
            kept = one.number + 1
        if fate <= 1:
            cut.start()
            cut.run(records[kept - 1 : one.number])
    assert cut.store.readings() == whole.store.readings()
    assert sorted(e.detail for e in cut.store.events) == sorted(
        e.detail for e in whole.store.events
    )
    assert not cut.store.quarantined
