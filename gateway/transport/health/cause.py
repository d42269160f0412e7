"""Power, communications or device: what a silent detector has lost.

PeMS says of a controller without data "probably no power, or the link is broken"; it cannot tell.
We hear the meter of the cabinet, the devices beside it, and what came afterwards, so we can.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from gateway.model import BoolArray, FloatArray, IntArray
from gateway.transport.health.policy import CauseWeights, HealthPolicy

UNKNOWN = -1


class Cause(IntEnum):
    """What is gone."""

    POWER = 0
    COMMS = 1
    DEVICE = 2


class Roadside(NamedTuple):
    """What devices at the road hang on, (devices,); −1 = unknown."""

    cabinet: IntArray  # what feeds them together
    uplink: IntArray  # by which their words come


class Silences(NamedTuple):
    """What is known of each device's silence, (devices,)."""

    begin_ms: IntArray  # last sign of life; 0 = it speaks
    heard_ms: IntArray  # newest sign of life
    is_back: BoolArray  # it has spoken again since
    has_backlog: BoolArray  # ... and rows of the silence came afterwards
    has_booted: BoolArray  # ... and it counts one boot more
    is_critical: BoolArray  # its last row said that it is failing


class Feeds(NamedTuple):
    """What the energy side knows of each cabinet about that time, (cabinets,)."""

    is_out: BoolArray  # an outage of its transformer or feeder stands
    has_gasped: BoolArray  # its own meter had a last word
    is_silent: BoolArray  # its meter should have spoken since, and has not
    power_w: FloatArray  # of the first reading since; NaN: none


class Causes(NamedTuple):
    """What silent devices have lost."""

    cause: IntArray  # (devices,) Cause; UNKNOWN where the evidence is thin, or where it speaks
    confidence: FloatArray  # (devices,) 0 … 1
    weight: FloatArray  # (causes, devices) nats


def root_cause(
    silences: Silences, roadside: Roadside, feeds: Feeds, policy: HealthPolicy
) -> Causes:
    """Weigh what speaks for each cause of a silence; words that come later may change it."""
    weights = policy.cause
    silent = silences.begin_ms > 0
    prior = (weights.prior.power, weights.prior.comms, weights.prior.device)
    nats = np.repeat(np.array(prior)[:, None], len(silent), axis=1)
    nats[Cause.POWER] += _of_feed(roadside.cabinet, feeds, weights)
    with_all, with_some = _around(silences, roadside.cabinet, weights)
    both = with_all * weights.cabinet_silent + with_some * weights.cabinet_alive
    nats[Cause.POWER] += both
    nats[Cause.COMMS] += both
    line, _ = _around(silences, roadside.uplink, weights)
    elsewhere = line & ~_same(roadside.uplink, roadside.cabinet)
    nats[Cause.COMMS] += elsewhere * weights.uplink_silent
    back = silences.is_back
    nats[Cause.COMMS] += np.where(silences.has_backlog, weights.backlog, weights.no_backlog) * back
    nats[Cause.POWER] += weights.rebooted * (back & silences.has_booted)
    nats[Cause.DEVICE] += weights.rebooted * (back & silences.has_booted)
    nats[Cause.DEVICE] += weights.status_critical * silences.is_critical
    odds = np.exp(nats - nats.max(axis=0))
    best = nats.argmax(axis=0)
    share = odds[best, np.arange(len(best))] / odds.sum(axis=0)
    sure = silent & (share >= weights.min_confidence)
    return Causes(np.where(sure, best, UNKNOWN), np.where(silent, share, np.nan), nats)


def _of_feed(cabinet: IntArray, feeds: Feeds, weights: CauseWeights) -> FloatArray:
    """Return what the energy side says for power, in nats."""
    is_heard = np.isfinite(feeds.power_w)
    idle = is_heard & (feeds.power_w <= weights.feed_idle_w)
    nats = feeds.is_out * weights.feed_out + feeds.has_gasped * weights.feed_gasp
    nats = nats + idle * weights.feed_idle + (is_heard & ~idle) * weights.feed_alive
    nats += feeds.is_silent * weights.feed_silent
    return np.append(nats, 0.0)[cabinet]  # −1 is the last


def _around(
    silences: Silences, group: IntArray, weights: CauseWeights
) -> tuple[BoolArray, BoolArray]:
    """Return with whom its group fell silent, and of whose group somebody spoke since."""
    begin = silences.begin_ms
    together, since = np.zeros(len(group), np.bool_), np.zeros(len(group), np.bool_)
    window_ms = weights.window_s * 1000
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], np.arange(int(group.max(initial=-1)) + 2))
    for one in np.flatnonzero((begin > 0) & (group >= 0)).tolist():
        others = order[first[group[one]] : first[group[one] + 1]]
        others = others[others != one]
        near = (begin[others] > 0) & (np.abs(begin[others] - begin[one]) <= window_ms)
        # what came back with the silence behind it was as silent
        spoke = ~near & (silences.heard_ms[others] > begin[one] + window_ms)
        together[one] = near.any() and not spoke.any()
        since[one] = spoke.any()
    return together, since


def _same(one: IntArray, other: IntArray) -> BoolArray:
    """Return whose first group has nobody beyond its second."""
    result = np.ones(len(one), np.bool_)
    for number in np.unique(one[one >= 0]).tolist():
        members = one == number
        result[members] = len(np.unique(other[members])) <= 1
    return result
