"""Declarative mappings: what foreign JSON becomes, and what is refused at start or at run time."""

import csv
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.sections import Mapping
from gateway.decode import Collector, Decoders
from gateway.decode.linear import compile_linear
from gateway.decode.paths import MISSING, find, parse_path
from gateway.errors import ConfigError, RejectedError
from gateway.model import NO_SEQ, DecodedBatch
from tests.shared import SHARED, needs_shared
from tests.unit.decode.support import PROFILES, RECEIVED_MS, Directory, record

_TASMOTA: dict[str, object] = {
    "name": "tasmota",
    "topic": "tele/{device}/SENSOR",
    "profile": "em1",
    "time": {"path": "Time", "zone": "Europe/Berlin"},
    "columns": {
        "ea_imp": {"path": "ENERGY.Total", "unit": "kWh"},
        "p": "ENERGY.Power",
        "u": "ENERGY.Voltage",
        "i": "ENERGY.Current",
        "pf": "ENERGY.Factor",
    },
}
_SENSOR = (
    b'{"Time":"2024-03-01T19:26:06","ENERGY":{"Total":941.4814,"Power":123,'
    b'"Factor":0.95,"Voltage":231,"Current":0.562}}'
)


def _run(
    mapping: dict[str, object], payload: object, topic: str = "tele/Plug_1/SENSOR"
) -> tuple[list[DecodedBatch], Directory]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    out, directory = Collector(), Directory()
    decoders = Decoders(PROFILES, [Mapping.model_validate(mapping)])
    try:
        decoders.decode(record(raw, topic.encode()), directory, out)
    except RejectedError:
        assert not out.batches()
        assert not directory.asked  # what cannot be read enrols nobody
        raise
    return out.batches(), directory


def _reason(mapping: dict[str, object], payload: object, topic: str = "tele/Plug_1/SENSOR") -> str:
    with pytest.raises(RejectedError) as caught:
        _run(mapping, payload, topic)
    return caught.value.reason


def _with_time(**time: object) -> dict[str, object]:
    return {**_TASMOTA, "time": time}


def _time_ms(time: dict[str, object], value: object) -> int:
    (batch,), _ = _run(_with_time(path="T", **time), {"T": value, "ENERGY": {"Power": 1}})
    return int(batch.readings.time_ms[0])


@pytest.mark.clause("749.IV.3.d-3", "942.V.2.c")
def test_tasmota_becomes_em1() -> None:
    (batch,), directory = _run(_TASMOTA, _SENSOR)
    readings = batch.readings
    assert directory.asked == [("site", "energy", "plug-1")]
    assert datetime.fromtimestamp(int(readings.time_ms[0]) / 1000, UTC).hour == 18
    assert readings.values[0, [0, 2, 3, 4, 5]].tolist() == [941481.4, 123, 2310, 56.2, 950]
    assert np.isnan(readings.values[0, 1])
    assert readings.seq.tolist() == [NO_SEQ]
    assert readings.status.tolist() == [0]


@given(wh10=st.integers(0, 9_999_999_999_999))
def test_a_register_in_kwh_is_exact_to_the_tenth_of_a_watt_hour(wh10: int) -> None:
    text = f"{wh10 // 10_000}.{wh10 % 10_000:04d}"
    payload = b'{"Time":"2024-03-01T19:26:06Z","ENERGY":{"Total":%s}}' % text.encode()
    (batch,), _ = _run(_TASMOTA, payload)
    assert batch.readings.values[0, 0] == wh10 / 10


def test_joules_divide_exactly() -> None:
    assert compile_linear(1.0, 0.0, 1 / 3600, 1.0).apply(3_600_000) == 1000.0
    assert compile_linear(1.0, 0.0, 1 / 3.6, 0.1).apply(36) == 100.0
    assert compile_linear(0.1, 0.0, 1.0, 0.1).apply(7) == 7.0
    assert compile_linear(2.0, -32.0, 1.0, 0.5).apply(20) == 16.0


def test_numbers_in_strings_count_when_they_are_whole() -> None:
    good = {"Time": "2024-03-01T19:26:06Z", "ENERGY": {"Power": "12.5", "Voltage": " 1"}}
    assert _reason(_TASMOTA, good) == "schema"
    good["ENERGY"] = {"Power": "12.5", "Voltage": "+2.3e2", "Current": None}
    (batch,), _ = _run(_TASMOTA, good)
    assert batch.readings.values[0, [2, 3]].tolist() == [12.5, 2300]


@pytest.mark.parametrize(
    "bad",
    ["", "on", "nan", "inf", "0x10", "1_000", "12 W", "1,5", "\u0661", True, [], {}, "9" * 65],
)
def test_what_is_no_number_is_refused(bad: object) -> None:
    payload = {"Time": "2024-03-01T19:26:06Z", "ENERGY": {"Power": bad}}
    assert _reason(_TASMOTA, payload) == "schema"


@pytest.mark.parametrize("bad", ["1e300", "-1e300", 10**17, 1e200, "1e999", 2**64])
def test_what_no_profile_can_hold_is_refused(bad: object) -> None:
    payload = {"Time": "2024-03-01T19:26:06Z", "ENERGY": {"Power": bad}}
    assert _reason(_TASMOTA, payload) == "limit"


@pytest.mark.parametrize(
    "raw", [b"1e999999", b"1e-999999999999", b"1" * 5000, b"0." + b"1" * 100_000, b"-1e5000"]
)
def test_monstrous_numbers_do_no_harm(raw: bytes) -> None:
    payload = b'{"Time":"2024-03-01T19:26:06Z","ENERGY":{"Power":' + raw + b"}}"
    try:
        (batch,), _ = _run(_TASMOTA, payload)
    except RejectedError as error:
        assert error.reason in {"limit", "encoding", "schema"}  # noqa: PT017
    else:
        assert abs(batch.readings.values[0, 2]) < 1


def test_null_is_null_and_nothing_at_all_is_a_schema_error() -> None:
    payload = {"Time": "2024-03-01T19:26:06Z", "ENERGY": {"Power": None}}
    (batch,), _ = _run(_TASMOTA, payload)
    assert np.isnan(batch.readings.values).all()
    assert _reason(_TASMOTA, {"Time": "2024-03-01T19:26:06Z", "SI7021": {"Power": 1}}) == "schema"
    assert _reason(_TASMOTA, {"ENERGY": {"Power": 1}}) == "schema"  # no time
    for document in (b"5", b"[]", b'"x"', b"null"):
        assert _reason(_TASMOTA, document) == "schema"
    assert _reason(_TASMOTA, b"") == "encoding"
    assert _reason(_TASMOTA, b"{") == "encoding"


def test_a_bare_number_is_a_payload() -> None:
    mapping: dict[str, object] = {
        "name": "shelly", "topic": "shellies/{device}/relay/0/power", "profile": "em1",
        "columns": {"p": ""},
    }  # fmt: skip
    (batch,), directory = _run(mapping, b"12.34", "shellies/Shelly_1PM/relay/0/power")
    assert batch.readings.values[0, 2] == 12.34
    assert batch.readings.time_ms.tolist() == [RECEIVED_MS]
    assert batch.is_stamped.all()
    assert directory.asked == [("site", "energy", "shelly-1pm")]


@pytest.mark.parametrize(
    ("time", "value", "wanted"),
    [
        ({}, "2024-03-01T19:26:06.5Z", 1709321166500),
        ({}, "2024-03-01 19:26:06+07:00", 1709321166000 - 7 * 3_600_000),
        ({}, "2024-03-01T19:26:06", 1709321166000),
        ({"zone": "Asia/Ho_Chi_Minh"}, "2024-03-01T19:26:06", 1709321166000 - 7 * 3_600_000),
        ({"format": "unix_s"}, 1709321166.123, 1709321166123),
        ({"format": "unix_s"}, "1709321166", 1709321166000),
        ({"format": "unix_ms"}, 1709321166123, 1709321166123),
        ({"format": "relative_s"}, -1.5, RECEIVED_MS - 1500),
        ({"format": "%d.%m.%y %H:%M:%S"}, "24.10.16 08:37:29", 1477298249000),
        ({"format": "%Y%m%dT%H%M%S%z"}, "20240301T192606+0100", 1709317566000),
    ],
)
def test_times_are_read_as_the_mapping_says(
    time: dict[str, object], value: object, wanted: int
) -> None:
    assert _time_ms(time, value) == wanted


@pytest.mark.parametrize(
    ("time", "value", "reason"),
    [
        ({}, "2024-02-30T00:00:00Z", "time"),
        ({}, "20240301T192606Z", "time"),
        ({}, "2024-W01-1", "time"),
        ({}, "2024-03-01", "time"),
        ({}, "0001-01-01T00:00:00+14:00", "time"),
        ({}, "1969-12-31T23:59:59Z", "time"),
        ({}, 17, "schema"),
        ({}, None, "schema"),
        ({"format": "unix_s"}, None, "schema"),
        ({"format": "unix_s"}, "soon", "schema"),
        ({"format": "unix_s"}, 1e300, "time"),
        ({"format": "unix_s"}, 0, "time"),
        ({"format": "unix_ms"}, -5, "time"),
        ({"format": "unix_ms"}, 2**53 + 1, "time"),
        ({"zone": "Europe/Berlin"}, "2024-03-31T02:30:00", "time"),  # clocks go forward over it
    ],
)
def test_times_that_are_none_are_refused(
    time: dict[str, object], value: object, reason: str
) -> None:
    payload = {"T": value, "ENERGY": {"Power": 1}}
    assert _reason(_with_time(path="T", **time), payload) == reason


def test_of_an_hour_that_comes_twice_live_data_means_the_nearer_one() -> None:
    mapping = Mapping.model_validate(_with_time(path="Time", zone="Europe/Berlin"))
    decoders = Decoders(PROFILES, [mapping])
    first = int(datetime(2024, 10, 27, 0, 30, tzinfo=UTC).timestamp()) * 1000  # 02:30 summer time
    payload = _SENSOR.replace(b"2024-03-01T19:26:06", b"2024-10-27T02:30:00")
    for received_ms, wanted in (
        (first + 2_000, first),
        (first + 3_602_000, first + 3_600_000),
        (first + 86_400_000, first),  # history: the first, as nothing says otherwise
    ):
        out = Collector()
        message = record(payload, b"tele/plug/SENSOR")._replace(received_ms=received_ms)
        decoders.decode(message, Directory(), out)
        assert out.batches()[0].readings.time_ms.tolist() == [wanted]


_ROWS: dict[str, object] = {
    "name": "history",
    "topic": "import/{device}",
    "profile": "em1",
    "rows": "data.rows",
    "time": {"path": "[0]", "format": "%Y-%m-%d %H:%M:%S", "zone": "Europe/Paris"},
    "columns": {"p": {"path": "[1]", "unit": "kW"}, "u": "[2]", "i": "$.amps"},
    "max_age": "20000d",
}


def test_an_array_becomes_one_reading_for_each_element() -> None:
    rows = [["2007-02-01 00:00:00", "0.326", 243.15], ["2007-02-01 00:01:00", None, 243.32]]
    (batch,), _ = _run(_ROWS, {"data": {"rows": rows}, "amps": 2}, "import/home")
    assert batch.readings.values[:, 2][0] == 326
    assert np.isnan(batch.readings.values[1, 2])
    assert batch.readings.values[:, 3].tolist() == [2431.5, 2433.2]
    assert batch.readings.values[:, 4].tolist() == [200, 200]
    assert np.diff(batch.readings.time_ms).tolist() == [60_000]
    assert batch.max_age_ms.tolist() == [20000 * 86_400_000] * 2


def test_rows_of_the_hour_that_comes_twice_go_forward() -> None:
    stamps = [f"2024-10-27 0{hour}:30:00" for hour in (1, 2, 2, 3)]
    rows = {"data": {"rows": [[stamp, 1] for stamp in stamps]}}
    (batch,), _ = _run(_ROWS, rows, "import/home")
    assert np.diff(batch.readings.time_ms).tolist() == [3_600_000] * 3


def test_rows_are_bounded_and_must_be_there() -> None:
    assert _reason(_ROWS, {"data": {"rows": []}}, "import/home") == "schema"
    assert _reason(_ROWS, {"data": {}}, "import/home") == "schema"
    assert _reason(_ROWS, {"data": {"rows": [[]] * 4097}}, "import/home") == "too_large"


@pytest.mark.parametrize("seqs", [[5], [5, 6, 7], [5, 7, 8], [3, 1, 2], [1, 3, 2, 4]])
def test_each_row_keeps_its_own_sequence_number(seqs: list[int]) -> None:
    mapping: dict[str, object] = {**_ROWS, "seq": "[3]"}
    rows = [[f"2024-01-01 00:00:{k:02d}", k, 1, seq] for k, seq in enumerate(seqs)]
    (batch,), _ = _run(mapping, {"data": {"rows": rows}}, "import/home")
    assert batch.readings.seq.tolist() == seqs
    assert np.diff(batch.readings.time_ms).tolist() == [1000] * (len(seqs) - 1)
    rows.append([*rows[-1]])
    assert _reason(mapping, {"data": {"rows": rows}}, "import/home") == "schema"


@pytest.mark.parametrize("bad", [-1, 1.5, None, "x", True, 2**53 + 1])
def test_a_sequence_number_is_a_whole_number(bad: object) -> None:
    mapping: dict[str, object] = {**_TASMOTA, "seq": "n"}
    payload = {"Time": "2024-03-01T19:26:06Z", "ENERGY": {"Power": 1}, "n": bad}
    assert _reason(mapping, payload) == "schema"


def test_the_device_may_come_from_the_payload() -> None:
    mapping: dict[str, object] = {**_TASMOTA, "device": "{device}-{path:meta.id}"}
    payload = json.loads(_SENSOR) | {"meta": {"id": "AA:BB"}}
    assert _run(mapping, payload)[1].asked == [("site", "energy", "plug-1-aa-bb")]
    assert _reason(mapping, json.loads(_SENSOR)) == "schema"
    assert (
        _reason({**_TASMOTA, "device": "{path:i}"}, json.loads(_SENSOR) | {"i": "é"}) == "identity"
    )
    assert _reason(_TASMOTA, _SENSOR, "tele/" + "x" * 65 + "/SENSOR") == "identity"
    assert _reason(_TASMOTA, _SENSOR, "tele//SENSOR") == "identity"


def test_extra_values_may_be_refused() -> None:
    strict: dict[str, object] = {**_TASMOTA, "ignore_extra": False}
    assert len(_run(strict, _SENSOR)[0]) == 1
    assert _reason(strict, json.loads(_SENSOR) | {"Wifi": {"RSSI": 5}}) == "schema"
    rows: dict[str, object] = {**_ROWS, "ignore_extra": False}
    good = {"data": {"rows": [["2007-02-01 00:00:00", 1, 2]]}, "amps": 1}
    assert len(_run(rows, good, "import/home")[0]) == 1
    assert _reason(rows, good | {"x": 1}, "import/home") == "schema"
    good["data"] = {"rows": [["2007-02-01 00:00:00", 1, 2, 3]]}
    assert _reason(rows, good, "import/home") == "schema"


def test_the_first_mapping_that_matches_wins() -> None:
    second = {**_TASMOTA, "name": "second", "topic": "#", "org": "elsewhere", "device": "fixed"}
    decoders = Decoders(PROFILES, [Mapping.model_validate(m) for m in (_TASMOTA, second)])
    for topic, org in (("tele/aa/SENSOR", "site"), ("tele/aa/STATE", "elsewhere")):
        directory = Directory()
        decoders.decode(record(_SENSOR, topic.encode()), directory, Collector())
        assert directory.asked[0][0] == org


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"profile": "em9"}, "profile"),
        ({"columns": {}}, "columns"),
        ({"columns": {"power": "p"}}, "columns.power"),
        ({"columns": {"p": {"path": "p", "unit": "V"}}}, "columns.p.unit"),
        ({"columns": {"p": {"path": "p", "unit": "horse"}}}, "columns.p.unit"),
        ({"columns": {"p": {"path": "p", "scale": 0}}}, "columns.p"),
        ({"columns": {"p": {"path": "p", "scale": float("nan")}}}, "columns.p"),
        ({"columns": {"p": "a..b"}}, "columns.p.path"),
        ({"rows": "a["}, "rows"),
        ({"rows": "a", "time": {}}, "rows"),
        ({"seq": "]"}, "seq"),
        ({"time": {"path": "t", "zone": "Mars/Olympus"}}, "time"),
        ({"time": {"path": "t", "format": "iso"}}, "time"),
        ({"time": {"path": "t", "format": "%Q"}}, "time"),
        ({"topic": "tele/#/x"}, "topic"),
        ({"topic": "tele/x{device}"}, "topic"),
        ({"topic": "{device}/{device}"}, "topic"),
        ({"topic": "tele/+"}, "device"),
        ({"device": "{name}"}, "device"),
    ],
)
def test_a_wrong_mapping_stops_the_start_and_names_the_key(
    change: dict[str, object], key: str
) -> None:
    with pytest.raises(ConfigError, match=rf"^mapping 'tasmota': {key}: "):
        Decoders(PROFILES, [Mapping.model_validate({**_TASMOTA, **change})])


def test_paths() -> None:
    document = {"a": {"b": [1, {"c.d": 2}]}, "e": [[7]]}
    for text, wanted in (
        ("", document), ("a.b[0]", 1), ('a.b[1]["c.d"]', 2), ("e[-1][0]", 7), ("a.x", MISSING),
        ("a.b.c", MISSING), ("a.b[2]", MISSING), ("e[0][-2]", MISSING), ("a[0]", MISSING),
    ):  # fmt: skip
        assert find(document, parse_path(text)) == wanted
    for text in ("a.", ".a", "a[x]", "a[1", "a]", 'a["b]', "a b[", "[1]x"):
        with pytest.raises(ValueError, match="path"):
            parse_path(text)


@given(
    payload=st.binary(max_size=100) | st.binary(max_size=60).map(lambda tail: _SENSOR[:70] + tail)
)
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(payload: bytes) -> None:
    for mapping in (_TASMOTA, _ROWS | {"topic": "tele/{device}/SENSOR"}):
        try:
            _run(mapping, payload)
        except RejectedError as error:
            assert error.reason  # noqa: PT017


@needs_shared
def test_a_month_of_a_real_household_comes_to_its_total() -> None:
    assert SHARED is not None
    mapping: dict[str, object] = {
        **_ROWS,
        "rows": "rows",
        "time": {"path": "t", "format": "%d/%m/%Y %H:%M:%S"},
        "columns": {"p": {"path": "p", "unit": "kW"}, "u": "u"},
    }
    file = SHARED / "data" / "meters" / "uci_household_2007-02.csv"
    with file.open(newline="", encoding="utf-8") as lines:
        rows = [
            {"t": f"{row['date']} {row['time']}", "p": power, "u": row["voltage"]}
            for row in csv.DictReader(lines)
            for power in [row["global_active_power"]]
            if power != "NA"
        ]
    assert len(rows) == 28 * 1440 - 2
    power_w, times_ms = [], []
    for begin in range(0, len(rows), 4000):
        (batch,), _ = _run(mapping, {"rows": rows[begin : begin + 4000]}, "import/home")
        power_w += batch.readings.values[:, 2].tolist()
        times_ms += batch.readings.time_ms.tolist()
    assert all(power == round(power) for power in power_w)  # kW with three decimals: whole watts
    assert sum(power_w) / 60_000 == pytest.approx(941.4814, abs=5e-5)
    assert len(set(times_ms)) == len(times_ms)
