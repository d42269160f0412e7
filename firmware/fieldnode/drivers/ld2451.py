"""HLK-LD2451: a 24 GHz radar that reports up to five vehicles ten times a second.

Frame: F4 F3 F2 F1, length (u16, little endian), number of targets, alarm, five bytes for each
(angle + 128, distance in m, direction, speed in km/h, signal to noise), F8 F7 F6 F5. There is no
check, so only what several frames agree on is a vehicle.
"""

from fieldnode.drivers import Driver, lane, number
from fieldnode.drivers.lane import Lane

_HEAD, _TAIL = b"\xf4\xf3\xf2\xf1", b"\xf8\xf7\xf6\xf5"
_TARGETS_MAX = 5
_FRAME_MAX = 4 + 2 + 2 + 5 * _TARGETS_MAX + 4
_TRACKS_MAX = 5  # as many as a frame has targets
_FRAMES_MIN = 3  # to be a vehicle: damaged bytes do not come three times
_LOST_MS = 700  # a track without echo has left: hidden vehicles come back within 0.5 s
_NEAR_DM = 60  # ±1 m of the sensor, and what 20 km/h of error are in 700 ms
_ALIKE = 100  # 10 km/h


class _Track:
    """One vehicle on its way."""

    def __init__(self, distance_dm: int, direction: int, speed: int, now_ms: int) -> None:
        self.distance_dm = distance_dm
        self.direction = direction
        self.begin_ms = self.last_ms = now_ms
        self.frames = 1
        self.sum = speed

    def miss(self, distance_dm: int, direction: int, speed: int, now_ms: int) -> int:
        """Return how far off a target is in dm, -1 where it is another vehicle."""
        mean = self.sum // self.frames
        if direction != self.direction or abs(speed - mean) > _ALIKE:
            return -1
        gone_dm = mean * (now_ms - self.last_ms) // 3600  # 0.1 km/h · ms: 3600 to the dm
        if direction == lane.APPROACHING:
            gone_dm = -gone_dm
        miss_dm = abs(self.distance_dm + gone_dm - distance_dm)
        return miss_dm if miss_dm <= _NEAR_DM else -1

    def add(self, distance_dm: int, speed: int, now_ms: int) -> None:
        """Take in a target of this vehicle."""
        self.distance_dm = distance_dm
        self.last_ms = now_ms
        self.frames += 1
        self.sum += speed


class Ld2451(Driver):
    """Follows vehicles through the frames and counts each when it has left."""

    def __init__(self, road: Lane, directions: int) -> None:
        super().__init__()
        self.line = (115200, 8, None, 1)
        self._road = road
        self._directions = directions
        self._frame = bytearray(_FRAME_MAX)
        self._size = 0
        self._tracks: "list[_Track]" = []

    def feed(self, data: "bytes | memoryview", uptime_ms: int) -> None:
        """Take in bytes."""
        for byte in data:
            self._frame[self._size] = byte
            self._size += 1
            if not self._is_possible(byte):
                self.errors += self._size > len(_HEAD)
                self._frame[0] = byte  # it may begin the next frame
                self._size = 1 if byte == _HEAD[0] else 0
            elif self._size >= 10 and self._size == self._needed():
                self._read(uptime_ms)
                self._size = 0

    def _needed(self) -> int:
        return 10 + (self._frame[4] | self._frame[5] << 8)

    def _is_possible(self, byte: int) -> bool:
        """Whether the last byte fits to those before it; allocates nothing."""
        size = self._size
        if size <= 4:
            return byte == _HEAD[size - 1]
        if size == 5:
            return True
        needed = self._needed()
        if size == 6:
            return needed == 10 or (needed <= _FRAME_MAX and needed % 5 == 2)
        tail = size - (needed - 3)
        if tail >= 0:
            return byte == _TAIL[tail]
        return size > 7 or needed == 12 + 5 * byte

    def _read(self, now_ms: int) -> None:
        self.poll(now_ms)
        for target in range((self._needed() - 12) // 5):
            at = 8 + 5 * target
            direction = lane.APPROACHING if self._frame[at + 2] == 1 else lane.RECEDING
            is_wanted = direction & self._directions and self._frame[at + 2] <= 1
            if is_wanted and self._frame[at + 3]:
                self._see(10 * self._frame[at + 1], direction, 10 * self._frame[at + 3], now_ms)

    def _see(self, distance_dm: int, direction: int, speed: int, now_ms: int) -> None:
        best, least_dm = None, _NEAR_DM + 1
        for track in self._tracks:
            if track.last_ms == now_ms and track.frames > 1:
                continue  # it has its target in this frame
            miss_dm = track.miss(distance_dm, direction, speed, now_ms)
            if 0 <= miss_dm < least_dm:
                best, least_dm = track, miss_dm
        if best:
            best.add(distance_dm, speed, now_ms)
        elif len(self._tracks) < _TRACKS_MAX:
            self._tracks.append(_Track(distance_dm, direction, speed, now_ms))

    def poll(self, uptime_ms: int) -> "bytes | None":
        """Let go of vehicles that have left; nothing is ever written."""
        for track in list(self._tracks):
            if uptime_ms - track.last_ms > _LOST_MS:
                self._tracks.remove(track)
                self._count(track)
        return None

    def _count(self, track: _Track) -> None:
        if track.frames < _FRAMES_MIN:
            self.errors += 1
            return
        self.telegrams += 1
        speed = (2 * track.sum + track.frames) // (2 * track.frames)
        self._road.passed(track.last_ms, None, speed, direction=track.direction)

    def take(self, uptime_ms: int) -> "tuple[tuple[int | None, ...], int] | None":
        """Return the next row; a radar along the road has no occupancy."""
        row = self._road.take(uptime_ms)
        self.at_ms = self._road.at_ms
        if row and len(row[0]) == 10:
            return row[0][:2] + (None,) + row[0][3:], row[1]
        return row

    def registers(self) -> "tuple[int, ...]":
        """Return the vehicles counted."""
        return (self._road.count,)


def make(profile: str, options: "dict[str, object]", registers: "tuple[int, ...]") -> Ld2451:
    """Options: those of ``Lane``; ``directions``: 1 approaching, 2 receding, 3 both (default)."""
    directions = number(options, "directions", 3, 1, 3)
    return Ld2451(Lane(profile, lane.NO_CLASS, options, registers), directions)
