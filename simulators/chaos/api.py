"""The gateway's HTTP API, as an outsider asks it."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

_PAGE = 50_000
_TIMEOUT_S = 30.0


class ApiError(Exception):
    """The API did not give the answer that was asked for."""


class Api:
    """One connection, opened again where it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, **query: str) -> bytes:
        """Return the body of a 200.

        Raises:
            ApiError: it is not there, or answers something else.
        """
        whole = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        trouble: Exception | None = None
        for _ in range(2):  # a kept connection may have been closed meanwhile
            try:
                return self._get(whole)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                trouble = error
        raise ApiError(f"{whole}: {trouble!r}")

    def _get(self, path: str) -> bytes:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self._port, timeout=_TIMEOUT_S
            )
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise ApiError(f"{path}: {answer.status} {body[:200]!r}")
        return body

    def pages(self, path: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield every line of a list, page after page."""
        after: dict[str, str] = {}
        while True:
            page = json.loads(self.get(path, limit=str(_PAGE), **query, **after))
            yield from page[key]
            if page["next"] is None:
                return
            after = {"after": page["next"]}

    def accounts(self) -> dict[str, Any]:
        """Return the gateway's accounts."""
        accounts: dict[str, Any] = json.loads(self.get("/api/v1/accounting"))
        return accounts

    def is_ready(self) -> bool:
        """Return whether it says that it is."""
        try:
            self.get("/readyz")
        except ApiError:
            return False
        return True

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
