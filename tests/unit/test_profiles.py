"""Every profile that ships: numbers, limits, order, and real data that must fit."""

from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.profiles import Kind, load_profiles
from tests.shared import SHARED, needs_shared

_PROFILES = load_profiles()

# Contracts: numbers are in blocks on flash, orders in rows on the wire. They never change.
_NUMBERS = {
    "em1": 1, "em3": 2, "dtm": 3, "pq3": 4, "tl1": 5,
    "pv1": 6, "etc1": 7, "wim1": 8, "env1": 9, "wtr1": 10,
    "plug1": 20, "clim1": 21, "node1": 22, "gas1": 23,
    "wx1": 24, "wq1": 25, "thm1": 26, "ei1": 30,
}  # fmt: skip
_ORDERS = {
    "em1": "ea_imp ea_exp p u i pf",
    "em3": "ea_imp ea_exp er_imp er_exp p p_l1 p_l2 p_l3 u_l1 u_l2 u_l3 i_l1 i_l2 i_l3 pf f",
    "dtm": "ea_imp ea_exp er_imp er_exp p q u_l1 u_l2 u_l3 i_l1 i_l2 i_l3 f t_oil t_wind t_amb",
    "pq3": "u_l1 u_l2 u_l3 f unb thd_u_l1 thd_u_l2 thd_u_l3 pst_l1 pst_l2 pst_l3 n_sag_l1 n_sag_l2"
    " n_sag_l3 n_swell_l1 n_swell_l2 n_swell_l3 n_pf n_pf_long",
    "tl1": "count cum_count occ v_mean v85 n_moto n_car n_bus n_truck n_long",
    "pv1": "speed length class direction gap duration lane",
    "etc1": "result t_ms class_decl class_meas retries tag_h",
    "wim1": "gvw_kg axles axle1_kg axle2_kg axle3_kg axle4_kg axle5_kg axle6_kg speed length class",
    "env1": "rain rain_rate level temp rh pm25 pm10 wind gust wind_dir vis pressure",
    "wtr1": "vol vol_rev flow pressure temp battery",
    "plug1": "ea_imp ea_exp p u i pf q s f ea_day ea_prev ea_part on temp soc cycles",
    "gas1": "vol flow energy",
    "wx1": "temp rh dew pressure surface wind gust wind_dir rain rain_part irradiance reflected"
    " lightning snow",
    "wq1": "vol flow pressure level temp ec ph oxygen ice",
    "thm1": "heat cold vol power flow t_flow t_return",
    "ei1": "e_imp e_exp r_imp r_exp length flag",
}


def test_numbers_and_orders_are_as_promised() -> None:
    assert {profile.name: profile.number for profile in _PROFILES.values()} == _NUMBERS
    for name, order in _ORDERS.items():
        assert [column.name for column in _PROFILES[name].columns] == order.split()


def test_single_happenings_are_events_and_all_else_series() -> None:
    events = {profile.name for profile in _PROFILES.values() if profile.shape == "events"}
    assert events == {"pv1", "etc1", "wim1"}
    for profile in _PROFILES.values():
        assert (profile.interval_s == 0) == (profile.name in events)
        assert 86_400 % profile.interval_s == 0 if profile.interval_s else True


@pytest.mark.parametrize("name", _NUMBERS)
def test_limits_fit_the_wire_and_the_kind(name: str) -> None:
    for column in _PROFILES[name].columns:
        where = f"{name}.{column.name}"
        assert column.maximum / column.scale <= 2**53, where
        assert column.minimum / column.scale >= -(2**53), where
        steps = column.maximum / column.scale
        assert steps == pytest.approx(round(steps)), where
        if column.kind in {Kind.REGISTER, Kind.COUNT, Kind.CODE}:
            assert column.minimum >= 0, where
        if column.kind == Kind.REGISTER:
            assert column.rollover, where
        else:
            assert column.rollover is None, where
        for code in column.codes:
            assert column.kind == Kind.CODE, where
            assert column.minimum <= int(code) <= column.maximum, where


@pytest.mark.parametrize("name", _NUMBERS)
def test_an_obis_code_is_used_once(name: str) -> None:
    codes = [column.obis for column in _PROFILES[name].columns if column.obis]
    assert len(set(codes)) == len(codes)


def test_obis_codes_are_those_of_the_companion_specification() -> None:
    for name, column, code in (
        ("em1", "ea_imp", "1-0:1.8.0"),
        ("em3", "er_exp", "1-0:4.8.0"),
        ("em3", "u_l3", "1-0:72.7.0"),
        ("em3", "p_l2", "1-0:56.7.0"),
        ("dtm", "i_l2", "1-0:51.7.0"),
        ("pq3", "u_l1", "1-0:32.24.0"),
        ("pq3", "n_sag_l2", "1-0:52.32.0"),
        ("pq3", "n_swell_l3", "1-0:72.36.0"),
        ("pq3", "n_pf_long", "0-0:96.7.9"),
        ("wtr1", "vol", "8-0:1.0.0"),
    ):
        index = _PROFILES[name].column_index(column)
        assert index is not None
        assert _PROFILES[name].columns[index].obis == code


@needs_shared
def test_a_roadside_radar_fits_pv1() -> None:
    assert SHARED is not None
    (file,) = (SHARED / "data" / "traffic" / "moers-radar").glob("roemer*.txt")
    vehicles = [line.split(";")[2:5] for line in file.read_text("ascii").splitlines() if line]
    assert len(vehicles) == 14_152
    speed, length, _, direction, *_ = _PROFILES["pv1"].columns
    for column, values in zip((speed, length, direction), zip(*vehicles, strict=True), strict=True):
        assert all(column.minimum <= int(value) <= column.maximum for value in values)


@pytest.mark.clause("749.IV.3.d-1")
def test_a_further_folder_adds_profiles_and_a_double_number_is_named(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "gateway" / "profiles" / "wtr1.toml"
    text = shipped.read_text("utf-8").replace('"wtr1"', '"heat1"')
    (tmp_path / "heat1.toml").write_text(text.replace("number = 10", "number = 1000"), "utf-8")
    assert load_profiles(tmp_path).by_number[1000].name == "heat1"
    (tmp_path / "heat1.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="number 10 twice"):
        load_profiles(tmp_path)
