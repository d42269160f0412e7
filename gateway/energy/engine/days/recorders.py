"""A day of power quality recorders: no register and no bill, but what the norm asks for."""

from collections.abc import Sequence

import numpy as np

from gateway.energy import voltage
from gateway.energy.engine.days.griddays import GridDay, made, measured, no_rules
from gateway.energy.engine.days.pieces import Piece
from gateway.energy.placing import Sheet
from gateway.energy.series import PHASES
from gateway.energy.voltage import VoltagePolicy
from gateway.model import FloatArray, IntArray
from gateway.profiles import Profile

_PHASES = tuple(f"l{phase + 1}" for phase in range(PHASES))
_THD, _PST = (tuple(f"{stem}_{phase}" for phase in _PHASES) for stem in ("thd_u", "pst"))
_SAGS, _SWELLS = (tuple(f"{stem}_{phase}" for phase in _PHASES) for stem in ("n_sag", "n_swell"))
_UNBALANCE = "unb"
NAMES = (*_THD, *_PST, *_SAGS, *_SWELLS, _UNBALANCE)  # beside the columns of a window


def is_recorder(profile: Profile) -> bool:
    """Return whether rows of a profile tell of voltages, and of no energy."""
    has = profile.column_index
    return has("u_l1") is not None and has("ea_imp") is None


def recorded(
    profile: Profile,
    piece: Piece,
    sheet: Sheet,
    part: tuple[IntArray, int],
    policy: VoltagePolicy,
) -> GridDay:
    """Return the day of recorders, so many slots of it."""
    window = sheet.window(part[0], 0, part[1])
    found = {name: sheet.gauge(name, *part) for name in NAMES}

    def worst(columns: Sequence[str]) -> FloatArray:
        values: FloatArray = np.fmax.reduce([found[name][:, 1:] for name in columns])
        return values

    measures = measured(window, policy)._replace(
        unbalance=found[_UNBALANCE][:, 1:],
        thd=worst(_THD),
        plt=np.fmax.reduce([voltage.long_flicker(found[name][:, 1:]) for name in _PST]),
    )
    dips = np.stack([_counted(profile, found, part) for part in (_SAGS, _SWELLS)], axis=1)
    nothing = no_rules(window.meters)
    return made(piece, window, measures, policy, (dips, nothing, np.zeros(0, np.int64), None))


def _counted(profile: Profile, found: dict[str, FloatArray], names: Sequence[str]) -> IntArray:
    total = np.zeros(len(found[names[0]]))
    for name in names:
        column = profile.columns[profile.column_index(name) or 0]
        total += voltage.counted(found[name], column.rollover or np.inf)
    return total.astype(np.int64)
