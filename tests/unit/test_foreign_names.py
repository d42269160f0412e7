"""Whose a foreign topic is: the registry's word, and what nobody may take."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError, RejectedError
from gateway.ports import ClientRole, Identity
from gateway.registry import Directory, Registry
from gateway.sources.listener_access import may_publish

FILE = """
[[device]]
id = "plug-hall"
org = "evn"
sector = "energy"
topics = ["tele/plug_12/#"]

[[device]]
id = "meter-1"
org = "evn"
sector = "energy"
"""


def directory(folder: Path, *, enrols: bool = True, text: str = FILE) -> Directory:
    file = folder / "registry.toml"
    file.write_text(text, "utf-8")
    return Directory(Registry.load(file), enrols=enrols, max_devices=10)


def ask(known: Directory, topic: str, device: str, part: str = "", sector: str = "energy") -> str:
    route = known.foreign(topic, (device, part), "site", sector)
    row = known.name_of(route.device_index)
    return f"{row.org}/{row.sector}/{row.device}{'' if route.is_registered else ' unregistered'}"


def test_an_entry_that_lists_the_topic_gives_the_device_its_name(tmp_path: Path) -> None:
    known = directory(tmp_path, enrols=False)
    assert ask(known, "tele/plug_12/SENSOR", "plug-12") == "evn/energy/plug-hall"
    # a probe is a part of it, whatever its sector, and as well known
    assert ask(known, "tele/plug_12/SENSOR", "plug-12", "ds18b20", "env") == (
        "evn/energy/plug-hall-ds18b20"
    )


def test_nobody_speaks_for_a_device_of_the_file_on_a_topic_that_it_does_not_list(
    tmp_path: Path,
) -> None:
    known = directory(tmp_path)
    for topic, device in (("tele/meter-1/SENSOR", "meter-1"), ("tele/x/SENSOR", "plug-hall")):
        with pytest.raises(RejectedError, match="the registry names"):
            ask(known, topic, device)


def test_strangers_are_enrolled_only_where_that_is_allowed(tmp_path: Path) -> None:
    assert ask(directory(tmp_path), "tele/new/STATE", "new") == "site/energy/new unregistered"
    with pytest.raises(RejectedError, match="no registry names"):
        ask(directory(tmp_path, enrols=False), "tele/new/STATE", "new")


def test_a_device_of_another_organisation_is_not_taken_for_a_foreign_one(tmp_path: Path) -> None:
    known = directory(tmp_path)
    known.route("evn", "energy", "em-7")
    with pytest.raises(RejectedError, match="belongs to evn, not to site"):
        ask(known, "tele/em-7/SENSOR", "em-7")


def test_its_readings_say_what_a_device_is_there_for(tmp_path: Path) -> None:
    known = directory(tmp_path)
    assert ask(known, "tele/p/LWT", "p1", sector="urban") == "site/urban/p1 unregistered"
    assert ask(known, "tele/p/SENSOR", "p1", sector="energy") == "site/energy/p1 unregistered"
    assert ask(known, "tele/p/STATE", "p1", sector="urban") == "site/energy/p1 unregistered"


def test_a_name_that_no_id_can_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="cannot be a device id"):
        ask(directory(tmp_path), "tele/x/SENSOR", "x", "y" * 70)


@pytest.mark.parametrize("topic", ["#", "+/SENSOR", "$SYS/#", "tg/1/evn/energy/meter-1/t", "a#"])
def test_an_entry_may_not_list_what_is_not_a_foreign_topic(tmp_path: Path, topic: str) -> None:
    with pytest.raises(ConfigError, match="not a filter of foreign topics"):
        directory(tmp_path, text=FILE.replace("tele/plug_12/#", topic))


def test_an_identity_sends_on_the_topics_of_its_entry_and_no_other() -> None:
    plug = Identity("plug-hall", ClientRole.DEVICE, "evn", "energy", topics=("tele/plug_12/#",))
    assert may_publish(plug, b"tele/plug_12/SENSOR")
    assert may_publish(plug, b"tg/1/evn/energy/plug-hall/t")
    assert not may_publish(plug, b"tele/plug_13/SENSOR")
    assert not may_publish(plug, b"tele/plug_12/\xff")
    assert not may_publish(plug, b"tg/1/evn/energy/meter-1/t")
    assert not may_publish(plug._replace(role=ClientRole.MONITOR), b"tele/plug_12/SENSOR")
    assert may_publish(Identity("", ClientRole.ANONYMOUS), b"tele/plug_12/SENSOR")
