"""What is forgotten of findings: memos of days after a while, those of imported history later."""

from pathlib import Path

from gateway.ports import Findings, Memo
from gateway.store.derived import DerivedReader, DerivedStore

DAY_MS = 86_400_000
TODAY = 20_000


def test_memos_of_imported_meters_stay_as_long_as_findings(tmp_path: Path) -> None:
    store = DerivedStore(tmp_path)
    days = [TODAY - 1, TODAY - 200, TODAY - 500]
    names = ("em1/0", "ei1/0", "grid/ei1/0", "ei12/0")
    memos = [Memo(name, day, b"x") for name in names for day in days]
    store.commit("energy", Findings(memos=memos), 1)
    store.commit("transport", Findings(memos=[Memo("ei1/0", TODAY - 500, b"x")]), 1)
    store.forget("energy", (TODAY - 400) * DAY_MS, TODAY - 120, ["ei1"])
    reader = DerivedReader(tmp_path)
    kept = {
        name: [TODAY - memo.number for memo in reader.memos("energy", name, 0, TODAY)]
        for name in names
    }
    assert {name: sorted(ages) for name, ages in kept.items()} == {
        "em1/0": [1], "ei1/0": [1, 200], "grid/ei1/0": [1], "ei12/0": [1],
    }  # fmt: skip
    assert reader.memos("transport", "ei1/0", 0, TODAY)
