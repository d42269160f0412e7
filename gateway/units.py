"""Units of the field that a profile or a mapping may name, and factors between them."""

from gateway.errors import ConfigError

# symbol -> (quantity, factor to the first unit of that quantity)
UNITS: dict[str, tuple[str, float]] = {
    "Wh": ("energy", 1.0),
    "kWh": ("energy", 1e3),
    "MWh": ("energy", 1e6),
    "GWh": ("energy", 1e9),
    "Wmin": ("energy", 1 / 60),  # what counters of the first Shelly generation count
    "J": ("energy", 1 / 3600),
    "kJ": ("energy", 1 / 3.6),
    "MJ": ("energy", 1e3 / 3.6),
    "GJ": ("energy", 1e6 / 3.6),
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
    "kn": ("speed", 1.852),
    "m": ("length", 1.0),
    "km": ("length", 1e3),
    "mi": ("length", 1609.344),
    "dm": ("length", 0.1),
    "cm": ("length", 0.01),
    "mm": ("length", 0.001),
    "ft": ("length", 0.3048),
    "in": ("length", 0.0254),
    "s": ("duration", 1.0),
    "ms": ("duration", 1e-3),
    "min": ("duration", 60.0),
    "h": ("duration", 3600.0),
    "d": ("duration", 86400.0),
    "g": ("mass", 1e-3),
    "kg": ("mass", 1.0),
    "t": ("mass", 1e3),
    "°C": ("temperature", 1.0),
    "°F": ("temperature", 5 / 9),
    "K": ("temperature", 1.0),
    "hPa": ("pressure", 1.0),
    "Pa": ("pressure", 0.01),
    "kPa": ("pressure", 10.0),
    "mbar": ("pressure", 1.0),
    "bar": ("pressure", 1e3),
    "mmHg": ("pressure", 1.33322387415),  # conventional millimetre of mercury
    "inHg": ("pressure", 33.86388640341),
    "psi": ("pressure", 68.94757293168361),
    "mm/h": ("rain_rate", 1.0),
    "µg/m³": ("concentration", 1.0),
    "mg/m³": ("concentration", 1e3),
    "ppm": ("gas_concentration", 1.0),
    "ppb": ("gas_concentration", 1e-3),
    "dB": ("sound_level", 1.0),
    "lx": ("illuminance", 1.0),
    "klx": ("illuminance", 1e3),
    "W/m²": ("irradiance", 1.0),
    "µS/cm": ("conductivity", 1.0),
    "mS/cm": ("conductivity", 1e3),
    "pH": ("acidity", 1.0),
    "B": ("information", 1.0),
    "kB": ("information", 1e3),
    "KiB": ("information", 1024.0),
    "m³": ("volume", 1.0),
    "l": ("volume", 1e-3),
    "gal": ("volume", 0.003785411784),
    "ft³": ("volume", 0.028316846592),
    "m³/h": ("flow_rate", 1.0),
    "l/min": ("flow_rate", 0.06),
    "l/h": ("flow_rate", 1e-3),
    "veh": ("vehicles", 1.0),
    "dBm": ("signal_level", 1.0),
    "MHz": ("frequency", 1e6),
    "kHz": ("frequency", 1e3),
}

# Units whose zero is not that of their quantity: what to add after the factor.
_ZEROS = {"°F": -160 / 9, "K": -273.15}


def conversion(unit_from: str, unit_to: str) -> tuple[float, float]:
    """Return factor and offset: ``value x factor + offset`` is the value in ``unit_to``.

    Raises:
        ConfigError: as ``factor_between``.
    """
    offset = _ZEROS.get(unit_from, 0.0) - _ZEROS.get(unit_to, 0.0)
    factor = factor_between(unit_from, unit_to)
    return factor, offset / UNITS[unit_to][1]


def factor_between(unit_from: str, unit_to: str) -> float:
    """Return what to multiply a difference in ``unit_from`` by to have it in ``unit_to``.

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
