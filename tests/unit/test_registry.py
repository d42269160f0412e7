"""The registry file: what it says at which time, and how it names what is wrong in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import ConfigError, RejectedError
from gateway.ports import DeviceRow
from gateway.registry import Device, Directory, NodeKind, Registry
from gateway.registry.entries import RegistryFile
from gateway.registry.files import read

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def _ms(*moment: int) -> int:
    return round(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


@pytest.fixture(params=["registry.toml", "registry.csv"])
def registry(request: pytest.FixtureRequest) -> Registry:
    return Registry.load(EXAMPLES / request.param)


def test_both_forms_say_the_same() -> None:
    from_toml, _ = read(EXAMPLES / "registry.toml")
    from_csv, _ = read(EXAMPLES / "registry.csv")
    assert from_toml == from_csv


def test_parents_are_those_of_the_time(registry: Registry) -> None:
    before = registry.at("em-000123", _ms(2026, 2, 28, 23, 59, 59))
    after = registry.at("em-000123", _ms(2026, 3, 1))
    assert [node.id for node in before.parents] == ["tba-0412", "f-471", "ss-110-gia-lam"]
    assert [node.id for node in after.parents] == ["tba-0412", "f-473", "ss-110-gia-lam"]
    feeder = after.parent(NodeKind.FEEDER)
    assert feeder is not None
    assert feeder.id == "f-473"
    assert after.parent(NodeKind.STATION) is None


def test_a_device_stands_where_its_parent_does(registry: Registry) -> None:
    standing = registry.at("det-ql5-3-1", 0)
    assert standing.place is not None
    assert (standing.place.lat, standing.place.lon) == (21.0295, 105.9142)
    assert standing.lane is not None
    assert (standing.lane.number, standing.lane.direction) == (1, "hai-phong")
    assert registry.at("em-000123", 0).uplink == "dcu-17"


def test_a_detector_is_fed_by_what_its_cabinet_hung_on_then(registry: Registry) -> None:
    before = registry.at("det-ql5-3-1", _ms(2026, 2, 28))
    after = registry.at("det-ql5-3-1", _ms(2026, 3, 1))
    assert [node.id for node in before.supply][:3] == ["cab-ql5-3", "tba-0412", "f-471"]
    assert [node.id for node in after.supply][:3] == ["cab-ql5-3", "tba-0412", "f-473"]
    transformer = after.fed_by(NodeKind.TRANSFORMER)
    assert transformer is not None
    assert transformer.id == "tba-0412"
    assert after.parent(NodeKind.TRANSFORMER) is None  # it hangs on the road, and is no meter of it
    assert registry.at("em-000123", 0).supply == ()


def test_children_follow_the_time(registry: Registry) -> None:
    assert registry.children("f-471", _ms(2026, 3, 1)) == []
    assert [e.id for e in registry.children("f-471", _ms(2026, 1, 1))] == ["tba-0412"]
    under = [device.id for device in registry.devices_under("ss-110-gia-lam", _ms(2026, 4, 1))]
    assert under == ["em-000123", "dtm-0412", "fh-473"]
    device = registry.device("dtm-0412")
    assert isinstance(device, Device)
    assert device.pilot
    heads = [device.id for device in registry.devices() if device.head]
    assert heads == ["fh-473"]


def test_only_an_energy_meter_under_a_node_is_its_head() -> None:
    for wrong in ({"sector": "transport", "parent": "ql5"}, {"sector": "energy"}):
        with pytest.raises(ValueError, match="head"):
            Device.model_validate({"id": "fh-1", "org": "evn", "head": True, **wrong})


def test_a_new_serial_number_is_an_exchange(registry: Registry) -> None:
    at = _ms(2026, 6, 15, 1, 30)
    meter = registry.at("em-000123", at).meter
    assert meter is not None
    assert meter.serial == "VSE11-26004711"
    assert registry.is_exchanged("em-000123", at - 1, at)
    assert not registry.is_exchanged("em-000123", at, at + 10**9)
    assert not registry.is_exchanged("em-000123", at - 10, at - 1)
    assert not registry.is_exchanged("dtm-0412", 0, at)
    assert not registry.is_exchanged("nobody", 0, at)


NODES = """\
[[node]]
id = "f1"
kind = "feeder"
parent = "s1"

[[node]]
id = "s1"
kind = "substation"
"""
DETECTOR = """
[[device]]
id = "det-1"
org = "gtvt"
sector = "transport"
"""
DEVICE = """
[[device]]
id = "em-1"
org = "evn"
sector = "energy"
"""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (NODES.replace('"s1"\n\n', '"s2"\n\n'), 4, "no such node"),
        (NODES.replace('kind = "feeder"', 'kind = "feader"'), 3, "kind"),
        (NODES.replace("parent", "parents"), 4, "Extra inputs"),
        (NODES.replace('id = "s1"', 'id = "f1"').replace('"s1"', '"f1"'), 7, "used twice"),
        (NODES + DEVICE.replace("em-1", "EM_1"), 11, "'EM_1' is not"),
        (NODES + DEVICE.replace('org = "evn"\n', ""), 10, "required"),
        (NODES + DEVICE + 'parent = "f9"\n', 14, "no such node"),
        (NODES + DEVICE + 'uplink = "f1"\n', 14, "hangs on concentrator"),
        (NODES + DEVICE + 'supply = "s1"\n', 14, "hangs on cabinet, transformer, feeder"),
        (NODES + '[[node]]\nid = "c1"\nkind = "cabinet"\nparent = "s1"\n', 12, "cabinet hangs on"),
        (NODES + '[[node]]\nid = "x1"\nkind = "section"\n', 9, "has a class"),
        (
            NODES + DEVICE + '[[device.parent]]\nid = "f1"\nfrom = 2026-02-01\nto = 2026-01-01\n',
            14,
            "'from' must be before 'to'",
        ),
        (
            NODES + DEVICE + '[[device.parent]]\nid = "f1"\n[[device.parent]]\nid = "f1"\n',
            16,
            "two facts 'parent' at a time",
        ),
        (NODES + DEVICE + "lane = { number = 0 }\n", 14, "greater than or equal to 1"),
        (NODES + DEVICE + "[[device.meter]]\nserial = 'a'\nfrom = 7\n", 16, "give a date"),
        (NODES.replace('parent = "s1"', 'parent = "f1"'), 4, "above itself"),
        (NODES + DEVICE + 'check_of = "em-9"\n', 14, "'em-9': no such device"),
        (NODES + DEVICE + 'check_of = "em-1"\n', 14, "cannot check itself"),
        (NODES + DEVICE + 'check_of = "f1"\n', 14, "'f1': no such device"),
        (DEVICE + 'parent = "f1"\nhead = true\ncheck_of = "em-1"\n' + NODES, 2, "no 'head'"),
        (DEVICE + DETECTOR + 'check_of = "em-1"\n', 7, "of sector energy"),
        (DETECTOR + DEVICE + 'check_of = "det-1"\n', 11, "a device of sector transport"),
        (
            DEVICE
            + DEVICE.replace("em-1", "em-2")
            + 'check_of = "em-1"\n'
            + DEVICE.replace("em-1", "em-3")
            + '[[device.check_of]]\nid = "em-1"\nto = 2026-01-01\n'
            + '[[device.check_of]]\nid = "em-2"\nfrom = 2026-01-01\n',
            21,
            "'em-2', then itself a check meter of 'em-1'",
        ),
        (
            DEVICE
            + DEVICE.replace("em-1", "em-2")
            + DEVICE.replace("em-1", "em-3")
            + '[[device.check_of]]\nid = "em-1"\nto = 2026-01-02\n'
            + '[[device.check_of]]\nid = "em-2"\nfrom = 2026-01-01\n',
            19,
            "two facts 'check_of' at a time",
        ),
    ],
)
def test_a_mistake_is_named_by_file_and_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    file = tmp_path / "reg.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        Registry.load(file)
    message = str(caught.value)
    assert f"{file}:{line}" in message
    assert words in message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("kind,id,colour\n", 1, "unknown columns: colour"),
        ("id,org\n", 1, "kind and id are needed"),
        ("kind,id\nsubstation,s1\nfeeder,F!\n", 3, "'F!' is not"),
        ("kind,id,parent\nsubstation,s1\nfeeder,f1,s9\n", 3, "no such node"),
        ("kind,id,parent\nsubstation,s1,\nfeeder,f1,s1\nfeeder,f1,s1\n", 4, "two facts"),
        ("kind,id,org,sector\ndevice,d1,evn,energy\ndevice,d1,vec,energy\n", 3, "differs"),
        ("kind,id\nsubstation,s1,x\n", 2, "more fields than columns"),
        ("kind,id,lat\nsite,s1,21.5\n", 2, "lon"),
        (
            "kind,id,org,sector,check_of\ndevice,d1,evn,energy,\ndevice,d2,evn,energy,d3\n",
            3,
            "'d3': no such device",
        ),
    ],
)
def test_a_mistake_in_a_csv_is_named_by_line(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    file = tmp_path / "reg.csv"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        Registry.load(file)
    assert f"{file}:{line}" in str(caught.value)
    assert words in str(caught.value)


def test_a_check_meter_hangs_and_may_do_as_its_main_meter_does() -> None:
    """From 2026 on; the main meter hangs on a feeder, moves, and may feed in from March on."""
    energy = {"org": "evn", "sector": "energy"}
    parent = [{"id": "f1", "to": "2026-02-01"}, {"id": "f2", "from": "2026-02-01"}]
    prosumer = [{"value": False, "to": "2026-03-01"}, {"value": True, "from": "2026-03-01"}]
    content = {
        "node": [{"id": name, "kind": "feeder"} for name in ("f1", "f2")],
        "device": [
            {"id": "m-1", **energy, "parent": parent, "prosumer": prosumer},
            {"id": "k-1", **energy, "check_of": [{"id": "m-1", "from": "2026-01-01"}]},
        ],
    }
    registry = Registry(RegistryFile.model_validate(content))
    moments = [_ms(2025, 12, 31), _ms(2026, 1, 1), _ms(2026, 2, 1), _ms(2026, 3, 1)]
    found = [registry.at("k-1", moment) for moment in moments]
    assert [one.main for one in found] == [None, "m-1", "m-1", "m-1"]
    assert [[node.id for node in one.parents] for one in found] == [[], ["f1"], ["f2"], ["f2"]]
    assert [one.is_prosumer for one in found] == [None, False, False, True]
    assert registry.moments("k-1") == set(moments[1:])
    assert [one.id for one, _ in registry.checks("m-1")] == ["k-1"]
    assert [registry.is_check("k-1", moment) for moment in moments] == [False, True, True, True]


def test_feeders_may_swap_places_over_time_but_not_at_one_time(tmp_path: Path) -> None:
    swap = """
[[node]]
id = "fa"
kind = "feeder"
parent = { id = "fb", from = 2026-01-01 }
[[node]]
id = "fb"
kind = "feeder"
parent = { id = "fa", to = 2026-01-01 }
"""
    file = tmp_path / "reg.toml"
    file.write_text(swap, "utf-8")
    registry = Registry.load(file)
    assert [node.id for node in registry.nodes()] == ["fa", "fb"]
    file.write_text(swap.replace("to = 2026-01-01", "to = 2026-01-02"), "utf-8")
    with pytest.raises(ConfigError, match="above itself"):
        Registry.load(file)


def test_files_that_cannot_be_read_are_configuration_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Registry.load(tmp_path / "none.toml")
    file = tmp_path / "reg.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Registry.load(file)
    file.write_text("[[node]", "utf-8")
    with pytest.raises(ConfigError, match="at line 1"):
        Registry.load(file)


def _directory(*, enrols: bool = True, rows: tuple[DeviceRow, ...] = ()) -> Directory:
    return Directory(None, enrols=enrols, max_devices=2, rows=rows)


def test_unknown_devices_are_enrolled_up_to_the_bound() -> None:
    directory = _directory()
    directory.now_ms = 5
    assert directory.route("evn", "energy", "em-1") == (0, "energy", False)
    assert directory.route("evn", "energy", "em-2").device_index == 1
    assert directory.route("evn", "energy", "em-1").device_index == 0
    with pytest.raises(RejectedError, match="max_devices = 2") as caught:
        directory.route("evn", "energy", "em-3")
    assert caught.value.reason == "unregistered"
    assert directory.new_rows() == [
        DeviceRow(0, "evn", "energy", "em-1", 0, 5),
        DeviceRow(1, "evn", "energy", "em-2", 0, 5),
    ]
    assert directory.new_rows() == []


def test_a_device_id_belongs_to_one_organisation_and_sector() -> None:
    directory = _directory()
    directory.route("evn", "energy", "em-1")
    for org, sector in (("vec", "energy"), ("evn", "water")):
        with pytest.raises(RejectedError) as caught:
            directory.route(org, sector, "em-1")
        assert caught.value.reason == "identity"
        assert directory.known(org, sector, "em-1") == -1
    assert directory.known("evn", "energy", "em-1") == 0


def test_without_enrolment_only_registered_devices_get_in() -> None:
    registry = Registry.load(EXAMPLES / "registry.toml")
    directory = Directory(registry, enrols=False, max_devices=10)
    assert directory.route("evn-hanoi", "energy", "em-000123") == (0, "energy", True)
    with pytest.raises(RejectedError) as caught:
        directory.route("evn-hanoi", "energy", "em-9")
    assert caught.value.reason == "unregistered"
    with pytest.raises(RejectedError) as caught:
        directory.route("evn-hanoi", "transport", "dtm-0412")
    assert caught.value.reason == "identity"
    assert directory.exchanged(0, _ms(2026, 6, 1), _ms(2026, 7, 1))


def test_indexes_survive_a_restart_and_a_reload() -> None:
    registry = Registry.load(EXAMPLES / "registry.toml")
    rows = (
        DeviceRow(4, "evn-hanoi", "energy", "em-000123", 0, 1),
        DeviceRow(7, "old-org", "energy", "em-9", 1, 2),
    )
    directory = Directory(None, enrols=False, max_devices=10, rows=rows)
    with pytest.raises(RejectedError):
        directory.route("evn-hanoi", "energy", "em-000123")
    directory.new_rows()
    directory.reload(registry)
    assert directory.route("evn-hanoi", "energy", "em-000123") == (4, "energy", True)
    assert directory.new_rows() == [DeviceRow(4, "evn-hanoi", "energy", "em-000123", 1, 1)]
    assert directory.route("evn-hanoi", "energy", "dtm-0412").device_index == 8
    with pytest.raises(RejectedError):
        directory.route("old-org", "energy", "em-9")
