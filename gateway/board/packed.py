"""Scripts and styles are packed once, not for every browser that comes for the first time."""

from collections.abc import MutableMapping
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

# NiceGUI's own files: their version or hash is in the path, so a path says one thing for ever.
FOREVER = "/_nicegui/"
# All that the pages load are 0.8 MB packed. What else somebody asks for is packed each time.
MOST_BYTES = 4 << 20
# Level 9, the default, takes three times as long for the 2 MB of a first view and saves 2 %.
LEVEL = 6
_OK = 200


class _Packed(NamedTuple):
    start: Message
    body: bytes


class PackedFiles(GZipMiddleware):
    """As its base; keeps the answers to what never changes."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, compresslevel=LEVEL)
        self._kept: dict[str, _Packed] = {}
        self._bytes = 0

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, else as the base does."""
        if not _is_plain(scope):
            await super().__call__(scope, receive, send)
            return
        path = scope["path"]
        kept = self._kept.get(path)
        if kept is None:
            answer = _Answer(send)
            await super().__call__(scope, receive, answer.send)
            self._keep(path, answer)
            return
        await send(_copy(kept.start))
        await send({"type": "http.response.body", "body": kept.body})

    def _keep(self, path: str, answer: "_Answer") -> None:
        start, body = answer.start, b"".join(answer.parts)
        fits = self._bytes + len(body) <= MOST_BYTES
        if start is None or not answer.is_whole or path in self._kept or not fits:
            return
        encoding = Headers(raw=start["headers"]).get("content-encoding")
        if start["status"] == _OK and encoding == "gzip":
            self._kept[path] = _Packed(start, body)
            self._bytes += len(body)


class _Answer:
    """Passes an answer on and remembers it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.start: Message | None = None
        self.parts: list[bytes] = []
        self.is_whole = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Remember before others add headers of their own."""
        if message["type"] == "http.response.start":
            self.start = _copy(message)
        elif message["type"] == "http.response.body":
            self.parts.append(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
        await self._send(message)


def _copy(start: Message) -> Message:
    return {**start, "headers": list(start["headers"])}


def _is_plain(scope: Scope) -> bool:
    """Return whether a request asks for the whole of a file, packed."""
    if scope["type"] != "http" or scope["method"] != "GET" or FOREVER not in scope["path"]:
        return False
    headers = Headers(scope=scope)
    asks_for_part = (
        "range" in headers or "if-none-match" in headers or "if-modified-since" in headers
    )
    return "gzip" in headers.get("accept-encoding", "") and not asks_for_part
