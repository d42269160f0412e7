"""From reasons and methods to one grade for each slot, and to the codes of ESPI."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.energy.series import Window
from gateway.energy.vee.types import ESTIMATES, Method
from gateway.model import BoolArray, FloatArray, IntArray, Quality, Reason
from gateway.validate import Status

_MEASURED = np.array([Method.MEASURED, Method.BACKLOG, Method.SPLIT], np.int64)
GUESSES = np.array([*ESTIMATES, Method.UNKNOWN], np.int64)

# Rules that VEE decides itself, over the whole window; the gateway's first look, a reading at a
# time, may have seen less. Resets and exchanges it knows better: it sees the device's boots.
_OWN_BITS = int(
    Reason.GAP
    | Reason.REGISTER_BACKWARDS
    | Reason.CAPABILITY
    | Reason.SUM_CHECK
    | Reason.TOU_SUM
    | Reason.SPIKE
    | Reason.HIGH_LOW
    | Reason.ZERO
    | Reason.INACTIVE_USE
    | Reason.FLAT_LINE
    | Reason.REVERSE
    | Reason.PHASE_CONSISTENCY
    | Reason.POWER_FACTOR
    | Reason.OUTAGE_AGREE
    | Reason.NEIGHBOUR_VOLTAGE
    | Reason.PROLONGED_ESTIMATION
    | Reason.ROLLOVER
    | Reason.REGISTER_RESET
    | Reason.METER_EXCHANGE
)
SUSPECT_BITS = int(
    Reason.SUM_CHECK
    | Reason.TOU_SUM
    | Reason.SPIKE
    | Reason.HIGH_LOW
    | Reason.ZERO
    | Reason.FLAT_LINE
    | Reason.REVERSE
    | Reason.PHASE_CONSISTENCY
    | Reason.NEIGHBOUR_VOLTAGE
    | Reason.NO_CLOCK
)
FAILED_BITS = int(Reason.INACTIVE_USE | Reason.POWER_FACTOR)
DARK_BITS = int(Reason.OUTAGE_AGREE)
_SUSPECT_STATUS = int(Status.CRITICAL_ERROR | Status.CLOCK_INVALID)

_QUALITY_OF = np.array(  # by Method
    [
        Quality.VALID,
        Quality.RECOVERED,
        Quality.ESTIMATED_FLAT,
        Quality.ESTIMATED_LIKE_DAY,
        Quality.IMPUTED,
        Quality.ESTIMATED_LIKE_DAY,
        Quality.EDITED,
        Quality.MISSING,
        Quality.SUSPECT,
        Quality.ESTIMATED_FLAT,
        Quality.EDITED,
        Quality.IMPUTED,
        Quality.ESTIMATED_LIKE_DAY,
        Quality.IMPUTED,  # from what others say, as a check meter's value is
        Quality.MISSING,
    ],
    np.int64,
)

# ESPI QualityOfReading by our grade (espi.xsd 4.0); a missing slot has no code and no reading.
ESPI_MISSING = -1
ESPI_QUALITY = np.array([14, 17, 17, 18, 9, 8, 11, 7, 10, 10, ESPI_MISSING], np.int64)

BILLABLE = (  # the last column of the crosswalk: counts for billing, also provisionally
    Quality.VALID,
    Quality.RECOVERED,
    Quality.VERIFIED,
    Quality.ESTIMATED_FLAT,
    Quality.ESTIMATED_LIKE_DAY,
    Quality.IMPUTED,
    Quality.EDITED,
)


class Verdict(NamedTuple):
    """All that a grade is made of, (meters, slots)."""

    reasons: IntArray
    method: IntArray
    is_verified: BoolArray
    is_off_time: BoolArray  # V01 failed


def carried(window: Window) -> IntArray:
    """Return what readings brought along that VEE does not decide anew, for each slot."""
    return window.reasons[:, 1:] & ~_OWN_BITS


def held(window: Window, reasons: IntArray) -> BoolArray:
    """Return against which slots something speaks; a dark one is no likeness of a day either.

    A clock that is off by a known time is: the gaps of its meter are in the same hours.
    """
    is_held: BoolArray = (reasons & (SUSPECT_BITS | FAILED_BITS | DARK_BITS)) != 0
    is_held |= (window.status[:, 1:] & _SUSPECT_STATUS) != 0
    return is_held


def methods(window: Window, method: IntArray, is_edited: BoolArray) -> IntArray:
    """Return the methods with those of late readings and of edits."""
    is_late = (window.quality[:, 1:] == int(Quality.RECOVERED)) & (method == int(Method.MEASURED))
    late = np.where(is_late, int(Method.BACKLOG), method)
    return np.where(is_edited, int(Method.EDITED), late)


def grade(window: Window, verdict: Verdict, value_wh: FloatArray, total_wh: FloatArray) -> IntArray:
    """Return the grade of every slot."""
    method = verdict.method
    quality = _QUALITY_OF[method]
    is_scaled = (method == int(Method.FLAT_SCALED)) | (method == int(Method.LIKE_DAY_SCALED))
    quality[is_scaled & (value_wh == 0) & (total_wh == 0)] = int(Quality.RECOVERED)  # certain
    is_measured = np.isin(method, _MEASURED)
    is_suspect = (verdict.reasons & SUSPECT_BITS) != 0
    is_suspect |= ((window.status[:, 1:] & _SUSPECT_STATUS) != 0) | verdict.is_off_time
    quality[is_measured & is_suspect] = int(Quality.SUSPECT)
    quality[is_measured & ((verdict.reasons & FAILED_BITS) != 0)] = int(Quality.FAILED)
    quality[(verdict.reasons & int(Reason.SUM_CHECK)) != 0] = int(Quality.SUSPECT)
    quality[method == int(Method.EDITED)] = int(Quality.EDITED)
    quality[verdict.is_verified & np.isfinite(value_wh)] = int(Quality.VERIFIED)
    return quality


def espi_quality(quality: IntArray) -> IntArray:
    """Return the ESPI code of grades; ``ESPI_MISSING`` where there is no reading."""
    codes: NDArray[np.int64] = ESPI_QUALITY[quality]
    return codes
