"""InfluxDB 2 through influxdb-client: its write API, synchronous, in a thread of the sink's own.

The library's batching mode drops a batch after any 4xx and its asyncio client does not retry;
with SYNCHRONOUS each call says what became of it, and the drain does the rest.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.flux_csv_parser import FluxCsvParserException, FluxQueryException
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from typing_extensions import override
from urllib3.exceptions import HTTPError

from gateway.config.sections import SinkSection, duration_ms
from gateway.errors import GatewayError, SinkUnavailableError
from gateway.sinks.canary import CanarySink
from gateway.sinks.readings import CANARY
from gateway.sinks.status import error_of

# what the library raises when some other server answers 200
_UNREADABLE = (FluxCsvParserException, FluxQueryException, TypeError, ValueError, LookupError)
_GRACE_S = 0.5  # the library's own timeout comes first and frees the thread
_NS_PER_MS = 1_000_000

Result = TypeVar("Result")


class Influx2Sink(CanarySink):
    """InfluxDB 2, OSS and Cloud; see ``ports.Sink``. The database is the bucket."""

    def __init__(self, section: SinkSection, clock: Callable[[], int]) -> None:
        super().__init__(section, clock)
        self._bucket = section.database
        self._org = section.org
        self._client = InfluxDBClient(
            section.url,
            token=section.token.reveal() if section.token is not None else "",
            org=section.org,
            timeout=duration_ms(section.timeout),
            enable_gzip=True,
            retries=False,
            username=section.username,
            password=section.password.reveal() if section.password is not None else None,
            ssl_ca_cert=str(section.ca) if section.ca is not None else None,
        )
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        # one thread: a request that hangs keeps it, and what comes next waits for it
        self._thread = ThreadPoolExecutor(1, f"sink-{section.name}")

    @override
    async def write(self, lines: Sequence[bytes]) -> None:
        body = b"\n".join(lines)
        await self._call(
            lambda: self._write_api.write(
                self._bucket,
                self._org,
                body,
                write_precision=WritePrecision.MS,  # type: ignore[arg-type]  # is a str
            )
        )

    @override
    async def started_at(self) -> None:
        # InfluxDB 2 syncs its log before it answers (storage-wal-fsync-delay is 0): it forgets
        # nothing, and tells its start nowhere but as an uptime that drifts
        return None

    @override
    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._client.close()  # type: ignore[no-untyped-call]

    @override
    async def _create(self) -> None:
        api = self._client.buckets_api()
        find = api.find_bucket_by_name
        if await self._call(lambda: find(self._bucket)) is None:  # type: ignore[no-untyped-call]
            await self._call(lambda: api.create_bucket(bucket_name=self._bucket, org=self._org))

    @override
    async def _canary(self, time_ms: int, attempt: int) -> float | None:
        start_ns = time_ms * _NS_PER_MS
        flux = (
            f"from(bucket: {json.dumps(self._bucket)})"
            f" |> range(start: time(v: {start_ns}), stop: time(v: {start_ns + 1}))"
            f' |> filter(fn: (r) => r._measurement == "{CANARY}" and r.sink == "{self.name}")'
        )
        api = self._client.query_api()
        tables = await self._call(lambda: api.query(flux, org=self._org))
        values = [record.values.get("_value") for table in tables for record in table.records]
        return float(values[0]) if values else None

    async def _call(self, work: Callable[[], Result]) -> Result:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s + _GRACE_S):
                return await loop.run_in_executor(self._thread, work)
        except TimeoutError as error:
            raise SinkUnavailableError(f"no answer within {self._timeout_s:g} s") from error
        except ApiException as error:
            raise self._meaning_of(error) from error
        except (HTTPError, InfluxDBError, OSError) as error:
            raise SinkUnavailableError(str(error)) from error
        except _UNREADABLE as error:
            raise SinkUnavailableError(f"not an answer of InfluxDB 2: {error!r}") from error

    def _meaning_of(self, error: ApiException) -> GatewayError:
        if not error.status:  # no answer came
            return SinkUnavailableError(str(error.reason))
        body = error.body if isinstance(error.body, bytes) else str(error.body or "").encode()
        headers: Mapping[str, str] | None = error.headers  # None where no answer came
        retry_after = headers.get("Retry-After") if headers is not None else None
        meaning = error_of(int(error.status), body, retry_after, self._clock())
        return meaning or SinkUnavailableError(f"HTTP {error.status}: {error.reason}")
