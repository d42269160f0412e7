"""The table of units against an independent library, and what it refuses."""

import pytest
from pint import UnitRegistry

from gateway.errors import ConfigError
from gateway.units import UNITS, conversion, factor_between

REGISTRY: UnitRegistry[float] = UnitRegistry()

# our symbol → pint's name, where it is another
_NAMES = {
    "var": "watt", "varh": "watt*hour", "kvarh": "kilowatt*hour", "Wmin": "watt*minute",
    "1": "dimensionless",
    "%": "percent", "‰": "permille", "°": "degree", "mph": "mile/hour", "kn": "knot",
    "t": "metric_ton", "°C": "degC", "°F": "degF", "K": "kelvin", "mm/h": "mm/hour",
    "µg/m³": "µg/m^3", "mg/m³": "mg/m^3", "lx": "lux", "klx": "kilolux", "W/m²": "W/m^2",
    "µS/cm": "µS/cm", "m³": "m^3", "ft³": "ft^3", "m³/h": "m^3/hour", "l/h": "l/hour",
    "gal": "gallon", "mi": "mile", "in": "inch", "B": "byte", "kB": "kilobyte",
    "KiB": "kibibyte", "h": "hour", "d": "day", "inHg": "inHg", "a": "year", "km/h": "km/hour",
    "ft": "foot", "kvar": "kilowatt", "VA": "volt_ampere", "kVA": "kilovolt_ampere",
}  # fmt: skip
# counted, or on a scale of its own: nothing to convert
_OWN = {"veh", "dB", "dBm", "pH", "ppm", "ppb"}


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit not in _OWN])
def test_factors_and_zeros_are_those_of_pint(unit: str) -> None:
    quantity = UNITS[unit][0]
    base = next(name for name, (of, factor) in UNITS.items() if of == quantity and factor == 1.0)
    factor, offset = conversion(unit, base)
    name, to = _NAMES.get(unit, unit), _NAMES.get(base, base)
    for value in (0.0, 1.0, 37.5):
        there = REGISTRY.Quantity(value, name).to(to).magnitude
        assert value * factor + offset == pytest.approx(there, rel=1e-9, abs=1e-9), (name, to)


def test_degrees_have_another_zero_and_differences_do_not() -> None:
    assert conversion("°F", "°C") == pytest.approx((5 / 9, -160 / 9))  # 32 °F are 0 °C
    assert conversion("°C", "K") == pytest.approx((1, 273.15))
    assert factor_between("°F", "°C") == pytest.approx(5 / 9)


def test_units_of_two_quantities_are_refused() -> None:
    with pytest.raises(ConfigError, match="'kWh' is energy, 'W' is power"):
        conversion("kWh", "W")
