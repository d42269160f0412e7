"""Scales that weigh otherwise than before, judged once a day of the hours that were told."""

import json
from collections.abc import Iterable, Sequence

import numpy as np

from gateway.ports import Alarm, Result
from gateway.store.derived import DerivedReader
from gateway.transport.engine.alarms import DOMAIN
from gateway.transport.engine.roadwords import STEERING, WEIGHINGS
from gateway.transport.engine.telling import encode, rounded
from gateway.transport.weigh import SteeringTally, WeighPolicy, drifts

DRIFT = "scale_drift"
_DAY_MS, _MS_PER_MIN = 86_400_000, 60_000
_MOST_LINES = 24 * 400
_WARNING, _SURE = 2, 0.99


class ScaleWork:
    """Compares the last week of each scale with the weeks before.

    Args:
        recall: hours of scales.
    """

    def __init__(self, recall: DerivedReader) -> None:
        self._recall = recall
        self._judged_ms: dict[str, int] = {}  # place → midnight up to which it was judged

    def alarms(
        self, told: Sequence[Result], standing: Iterable[Alarm], policy: WeighPolicy
    ) -> list[Alarm]:
        """Return who drifts, and who does not any more, at the first hour told of a day.

        Args:
            told: hours of scales that are written with this step.
            standing: alarms that last.
            policy: how much, and of how many days.
        """
        lasting = {one.place: one for one in standing if one.kind == DRIFT}
        offset_ms = policy.utc_offset_min * _MS_PER_MIN
        found = []
        for one in told:
            midnight_ms = one.from_ms - (one.from_ms + offset_ms) % _DAY_MS
            if one.series != WEIGHINGS or self._judged_ms.get(one.place, 0) >= midnight_ms:
                continue
            self._judged_ms[one.place] = midnight_ms
            alarm = self._judge(one.place, midnight_ms, lasting.get(one.place), policy)
            found += [alarm] if alarm is not None else []
        return found

    def _judge(
        self, place: str, midnight_ms: int, standing: Alarm | None, policy: WeighPolicy
    ) -> Alarm | None:
        recent_ms = midnight_ms - policy.drift.recent_days * _DAY_MS
        # what it weighs since it drifted is not what it used to weigh
        until_ms = recent_ms if standing is None else min(recent_ms, standing.raised_ms)
        before_ms = until_ms - policy.drift.before_days * _DAY_MS
        before = self._tally(place, before_ms, until_ms)
        drift = drifts(before, self._tally(place, recent_ms, midnight_ms), policy)
        if not drift:
            return None if standing is None else standing._replace(cleared_ms=midnight_ms)
        raised_ms = recent_ms if standing is None else standing.raised_ms
        found_ms = midnight_ms if standing is None else standing.found_ms
        body: dict[str, object] = {
            "share": rounded(drift[0].share, 4),
            "standard_errors": rounded(drift[0].standard_errors, 1),
            "vehicles": drift[0].vehicles,
        }
        return Alarm(DRIFT, place, raised_ms, found_ms, 0, _WARNING, _SURE, encode(body))

    def _tally(self, place: str, from_ms: int, to_ms: int) -> SteeringTally:
        asked = Result(WEIGHINGS, place, from_ms, to_ms, "")
        lines = self._recall.results(DOMAIN, asked, _MOST_LINES)
        hours = [json.loads(one.body).get(STEERING) or [0, 0, 0] for one in lines]
        summed = np.array(hours, np.float64).reshape(-1, 3).sum(axis=0)
        return SteeringTally(summed[:1], summed[1:2], summed[2:])
