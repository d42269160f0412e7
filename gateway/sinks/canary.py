"""Connecting proves that the database keeps what it acknowledges, by one known point.

VictoriaMetrics answers 204 to points it drops (beyond its retention, too far ahead) and to every
second server behind a wrong url; a point read back is the only way to know.
"""

import abc
import asyncio
import itertools
import logging
from collections.abc import Callable

from typing_extensions import override

from gateway.config.sections import SinkSection, duration_ms
from gateway.errors import SinkDeniedError, SinkRefusedError, SinkUnavailableError
from gateway.ports import Sink
from gateway.sinks.readings import canary_line

_LOG = logging.getLogger(__name__)

_READ_BACK_S = 0.25
_PATIENCE_S = 10.0  # VictoriaMetrics shows new rows after one to two seconds, a busy one later


class CanarySink(Sink, abc.ABC):
    """What all sinks have in common: ``connect`` by way of the canary; see ``ports.Sink``."""

    def __init__(self, section: SinkSection, clock: Callable[[], int]) -> None:
        self.name = section.name
        self._clock = clock
        self._timeout_s = duration_ms(section.timeout) / 1000
        self._creates = True

    @override
    async def connect(self) -> None:
        if self._creates:
            try:
                await self._create()
            except (SinkDeniedError, SinkRefusedError) as error:
                # a user that may only write is not told twice; the canary shows if it is enough
                self._creates = False
                _LOG.info("sink %s: cannot create its database: %s", self.name, error)
        time_ms = self._clock()
        value = time_ms % 1_000_000_007  # no other canary of the last days has it
        try:
            await self.write([canary_line(self.name, value, time_ms)])
        except SinkRefusedError as error:
            raise SinkDeniedError(f"refuses even a known good point: {error}") from error
        await self._wait_for_canary(value, time_ms)

    async def _wait_for_canary(self, value: int, time_ms: int) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                attempts = itertools.count()
                while await self._canary(time_ms, next(attempts)) != value:  # noqa: ASYNC110
                    await asyncio.sleep(_READ_BACK_S)
        except SinkRefusedError as error:
            raise SinkUnavailableError(f"the canary point cannot be read: {error}") from error
        except TimeoutError as error:
            raise SinkUnavailableError(
                f"took the canary point but did not give it back within {_PATIENCE_S:g} s: it "
                "drops what it acknowledges (retention? clock? another server behind this url?)"
            ) from error

    @abc.abstractmethod
    async def _create(self) -> None:
        """Make the database where writing does not; raises as ``write``."""

    @abc.abstractmethod
    async def _canary(self, time_ms: int, attempt: int) -> float | None:
        """Return the canary's value at a time, None where it is not there; raises as ``write``."""
