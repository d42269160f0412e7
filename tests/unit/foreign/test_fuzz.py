"""Every decoder against inputs that coverage guides (atheris); its targets and their seeds."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.decode.foreign.discovery import DISCOVERY
from gateway.decode.foreign.family import SHIPPED, load_families
from gateway.decode.foreign.rooms import ANYWHERE, ROOMS
from gateway.decode.foreign.topics import compile_topic
from gateway.profiles import load_profiles
from tests.conftest import SOAK
from tests.support.running import ROOT
from tools import fuzz_decode, fuzz_targets

FUZZ_S = 60
NAMES = [*fuzz_targets.TARGETS, *fuzz_targets.FILES]


@pytest.fixture(scope="module")
def every() -> fuzz_decode.Rig:
    return fuzz_decode.Rig(load_profiles())


@pytest.fixture
def rig(every: fuzz_decode.Rig) -> fuzz_decode.Rig:
    """A name that one format enrolled in one sector is refused to another: begin with none."""
    every.begin()
    return every


def test_every_decoder_and_every_mapping_file_has_a_target() -> None:
    rooms = {*ROOMS, *ANYWHERE, DISCOVERY} - {"meters"} | {"p1", "dlms", "sml"}
    assert rooms <= fuzz_targets.TARGETS.keys()
    topics = [topic.decode() for topic in fuzz_targets.TARGETS["mappings"].topics]
    for family in load_families(SHIPPED).values():
        for message in family.message:
            taken = compile_topic(message.topic[0])
            assert any(map(taken, topics)), f"{family.family}: {message.name}"
    assert {example.model for example in fuzz_targets.FRAMES} >= {
        file.example[0].model for file in fuzz_targets.CODEC_FILES.values()
    }


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_a_target_has_seeds_that_are_read(name: str, rig: fuzz_decode.Rig) -> None:
    """A target whose seeds are all refused at the door would fuzz nothing but the door."""
    message = fuzz_targets.messages(name)
    assert any(rig.read(*message(seed)) for seed in fuzz_targets.seeds(name))


@pytest.mark.parametrize("name", fuzz_targets.FILES)
def test_a_target_of_files_takes_its_seeds(name: str) -> None:
    read = fuzz_decode.reading(name)
    for seed in fuzz_targets.seeds(name):
        read(seed)
        read(seed[: len(seed) // 2])


@pytest.mark.skipif(not SOAK, reason="a minute for each decoder: INFRAGATE_SOAK=1, or make fuzz")
@pytest.mark.timeout(FUZZ_S + 240)
@pytest.mark.parametrize("name", NAMES)
def test_no_exception_escapes_a_decoder_that_is_fuzzed_for_a_minute(
    name: str, tmp_path: Path
) -> None:
    pytest.importorskip("atheris")
    words = [sys.executable, "-m", "tools.fuzz_decode", name, str(tmp_path)]
    done = subprocess.run(
        [*words, f"-max_total_time={FUZZ_S}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=FUZZ_S + 200,
    )
    assert done.returncode == 0, done.stderr[-4000:]
