"""Vehicle logs of IRIS detectors as messages: topics that end in ``.vlog`` or ``/vlog``.

Lines carry the time of a local day: the latest day on which they are not ahead of the receive time.
That needs the zone of the configuration; without one such a message is refused, since stamping a
minute of vehicles with one time would be worse than none. Vehicles that have no time even so are
counted in an event.
"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.decode.foreign.naming import slug
from gateway.decode.foreign.options import Options
from gateway.decode.foreign.rows_out import Found, Row, add_all, event_of, route_of, topic_of
from gateway.decode.foreign.telegrams import converter
from gateway.decode.foreign.vlog import Vehicle, gaps_ms, place_in_time, read_vlog
from gateway.decode.wire import reject
from gateway.model import QuarantineReason, Record
from gateway.ports import Collecting, DeviceDirectory
from gateway.profiles import Profile

_PROFILE = "pv1"
_AHEAD_MS = 300_000  # how far a detector's clock may be ahead before its lines are yesterday's
_ENDS = (".vlog", "/vlog")


class IrisLog:
    """Implements ``decode.Foreign``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._profile = options.profiles[_PROFILE]

    def takes(self, topic: str) -> bool:
        """Return whether messages of this topic are its own."""
        return topic.endswith(_ENDS)

    def decode(self, record: Record, directory: DeviceDirectory, out: Collecting) -> None:
        """Add the vehicles of one message, all of them or none.

        Raises:
            RejectedError: as ``decode.Foreign``.
        """
        zone = directory.zone(topic_of(record)) or self._options.zone
        if zone is None:
            detail = "a vehicle log has local times: name the zone (registry, or [foreign] zone)"
            reject(QuarantineReason.TIME, detail)
        try:
            vehicles = read_vlog(record.payload.decode())
        except UnicodeDecodeError as error:
            reject(QuarantineReason.ENCODING, f"not UTF-8: {error.reason}")
        day = _day_of(vehicles, record.received_ms, zone)
        times = place_in_time(vehicles, day, zone)
        rows = vehicle_rows(vehicles, times, self._profile)
        named = slug(topic_of(record).removesuffix(_ENDS[0]).removesuffix(_ENDS[1])), ""
        if not rows:
            reject(QuarantineReason.SCHEMA, "no vehicle with a time in the log")
        base_ms = int(rows[0][0] or 0)
        placed = [[(row[0] or 0) - base_ms, *row[1:]] for row in rows]
        found = Found(named, self._profile, base_ms, placed)
        add_all([found], record, directory, self._options, out)
        lost = times.count(None)
        if lost:
            route = route_of(named, self._profile.sector, record, directory, self._options)
            out.add_event(event_of("event", {"vehicles_without_time": lost}, 0, route, record))


def vehicle_rows(
    vehicles: list[Vehicle], times_ms: list[int | None], profile: Profile
) -> list[Row]:
    """Return a row ``[Unix ms, value…, status]`` for each vehicle that has a time."""
    index = {column.name: place + 1 for place, column in enumerate(profile.columns)}
    scale = {
        name: converter(
            unit, profile.columns[index[name] - 1].unit, profile.columns[index[name] - 1].scale
        )
        for name, unit in (("speed", "mph"), ("length", "ft"), ("gap", "ms"), ("duration", "ms"))
    }
    rows: list[Row] = []
    for vehicle, time_ms, gap in zip(vehicles, times_ms, gaps_ms(vehicles), strict=True):
        if time_ms is None:
            continue
        row: list[float | None] = [time_ms, *[None] * (len(profile.columns) + 1)]
        values = {
            "speed": vehicle.speed_mph,
            "length": vehicle.length_ft,
            "gap": gap,
            "duration": vehicle.duration_ms,
        }
        for name, value in values.items():
            convert = scale[name]
            row[index[name]] = None if convert is None or value is None else convert(value)
        rows.append(row)
    return rows


def _day_of(vehicles: list[Vehicle], received_ms: int, zone: str) -> date:
    """Return the day of the first line: so that the last one is not ahead of the receive time."""
    today = datetime.fromtimestamp(received_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()
    times = [time for time in place_in_time(vehicles, today, zone) if time is not None]
    is_ahead = times and times[-1] > received_ms + _AHEAD_MS
    return today - timedelta(days=1) if is_ahead else today
