"""Units of the field that a profile or a mapping may name, and factors between them."""

from gateway.errors import ConfigError

# symbol -> (quantity, factor to the first unit of that quantity)
UNITS: dict[str, tuple[str, float]] = {
    "Wh": ("energy", 1.0),
    "kWh": ("energy", 1e3),
    "MWh": ("energy", 1e6),
    "J": ("energy", 1 / 3600),
    "kJ": ("energy", 1 / 3.6),
    "MJ": ("energy", 1e3 / 3.6),
    "varh": ("reactive_energy", 1.0),
    "kvarh": ("reactive_energy", 1e3),
    "W": ("power", 1.0),
    "mW": ("power", 1e-3),
    "kW": ("power", 1e3),
    "MW": ("power", 1e6),
    "var": ("reactive_power", 1.0),
    "kvar": ("reactive_power", 1e3),
    "VA": ("apparent_power", 1.0),
    "kVA": ("apparent_power", 1e3),
    "V": ("voltage", 1.0),
    "mV": ("voltage", 1e-3),
    "kV": ("voltage", 1e3),
    "A": ("current", 1.0),
    "mA": ("current", 1e-3),
    "Hz": ("frequency", 1.0),
    "mHz": ("frequency", 1e-3),
    "1": ("ratio", 1.0),
    "%": ("ratio", 1e-2),
    "‰": ("ratio", 1e-3),
    "°": ("angle", 1.0),
    "km/h": ("speed", 1.0),
    "m/s": ("speed", 3.6),
    "mph": ("speed", 1.609344),
    "m": ("length", 1.0),
    "dm": ("length", 0.1),
    "cm": ("length", 0.01),
    "mm": ("length", 0.001),
    "ft": ("length", 0.3048),
    "s": ("duration", 1.0),
    "ms": ("duration", 1e-3),
    "min": ("duration", 60.0),
    "h": ("duration", 3600.0),
    "kg": ("mass", 1.0),
    "t": ("mass", 1e3),
    "°C": ("temperature", 1.0),
    "hPa": ("pressure", 1.0),
    "Pa": ("pressure", 0.01),
    "bar": ("pressure", 1e3),
    "mm/h": ("rain_rate", 1.0),
    "µg/m³": ("concentration", 1.0),
    "ppm": ("gas_concentration", 1.0),
    "dB": ("sound_level", 1.0),
    "lx": ("illuminance", 1.0),
    "m³": ("volume", 1.0),
    "l": ("volume", 1e-3),
    "m³/h": ("flow_rate", 1.0),
    "l/min": ("flow_rate", 0.06),
    "veh": ("vehicles", 1.0),
    "dBm": ("signal_level", 1.0),
}


def factor_between(unit_from: str, unit_to: str) -> float:
    """Return what to multiply a value in ``unit_from`` by to have it in ``unit_to``.

    Raises:
        ConfigError: a unit is unknown, or the two measure different quantities.
    """
    for unit in (unit_from, unit_to):
        if unit not in UNITS:
            raise ConfigError(f"unknown unit {unit!r}; known: {', '.join(UNITS)}")
    quantity_from, factor_from = UNITS[unit_from]
    quantity_to, factor_to = UNITS[unit_to]
    if quantity_from != quantity_to:
        raise ConfigError(f"{unit_from!r} is {quantity_from}, {unit_to!r} is {quantity_to}")
    return factor_from / factor_to
