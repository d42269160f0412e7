"""A database that takes line protocol over HTTP: the sink for every dialect."""

import asyncio
import base64
import gzip
import ssl
from collections.abc import Callable, Sequence

from typing_extensions import override

from gateway.config.sections import SinkSection
from gateway.sinks.canary import CanarySink
from gateway.sinks.dialects import Dialect
from gateway.sinks.http import Answer, HttpClient, Request
from gateway.sinks.status import OK, error_of

_GZIP_BYTES = 1024  # below, the header of a packet is most of it
_GZIP_LEVEL = 1  # 6 makes lines 15 % smaller and takes three times as long


class HttpSink(CanarySink):
    """Writes by a dialect; see ``ports.Sink``.

    Args:
        section: what the configuration says.
        dialect: which server it is.
        clock: Unix time in ms.
    """

    def __init__(self, section: SinkSection, dialect: Dialect, clock: Callable[[], int]) -> None:
        super().__init__(section, clock)
        self._dialect = dialect
        tls = None
        if section.ca is not None:
            tls = ssl.create_default_context(cafile=section.ca)
        self._client = HttpClient(section.url, self._timeout_s, tls)
        self._headers = _authorization(section)

    @override
    async def write(self, lines: Sequence[bytes]) -> None:
        body = b"\n".join(lines)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if len(body) >= _GZIP_BYTES:
            # in a thread: 600 kB take 5 ms, in which no other sink would get on
            body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        self._raise_for(await self._ask(self._dialect.write()._replace(headers=headers, body=body)))

    @override
    async def started_at(self) -> str | None:
        answer = await self._ask(self._dialect.start())
        return self._dialect.find_start(answer.body) if answer.status in OK else None

    @override
    async def close(self) -> None:
        await self._client.close()

    @override
    async def _create(self) -> None:
        request = self._dialect.create()
        if request is not None:
            self._raise_for(await self._ask(request))

    @override
    async def _canary(self, time_ms: int, attempt: int) -> float | None:
        answer = await self._ask(self._dialect.read_back(self.name, time_ms, attempt))
        self._raise_for(answer)
        return self._dialect.find_canary(answer.body)

    async def _ask(self, request: Request) -> Answer:
        headers = {**request.headers, **self._headers}
        return await self._client.ask(request._replace(headers=headers))

    def _raise_for(self, answer: Answer) -> None:
        retry_after = answer.headers.get("retry-after")
        error = error_of(answer.status, answer.body, retry_after, self._clock())
        if error is not None:
            raise error


def _authorization(section: SinkSection) -> dict[str, str]:
    if section.token is not None:
        return {"Authorization": f"Bearer {section.token.reveal()}"}
    if section.username is not None:
        password = section.password.reveal() if section.password is not None else ""
        pair = base64.b64encode(f"{section.username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}
