"""What every request passes first: who asks, and from which page.

Pure ASGI, so that it covers the board's pages and its WebSocket as well as the API.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api import signin
from gateway.api.documents import problem
from gateway.api.keys import Keys
from gateway.views.visitor import ASK_AGAIN, SIGN_IN, SIGN_OUT, VISITOR, Visitor

OPEN_PATHS = frozenset({"/healthz"})  # a supervisor's probe has no token

# An answer goes out in pieces, so that the transport holds one of them and not 40 MB of rows;
# ``server`` ends a connection whose peer does not take a piece in time.
PIECE_BYTES = 256 << 10

# A body is held in memory before anybody looks at it: an acknowledgement has 1 kB.
BODY_BYTES = 64 << 10

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# NiceGUI's page carries inline scripts and Vue compiles templates in the browser: both need
# their word here. Nothing is loaded from, or sent to, another host.
BOARD_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    b"connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
API_PATHS = ("/api", "/healthz", "/readyz", "/metrics")


def is_api(path: str) -> bool:
    """Return whether a path is the API's, not the board's."""
    return path.startswith(API_PATHS)


def offered_token(authorization: str) -> str:
    """Return the token of an Authorization header, Bearer or the password of Basic.

    Basic is what a browser can be asked for: the board's page and its WebSocket carry it.
    """
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return pair.partition(":")[2]
    return ""


class Guard:
    """Checks token and origin, adds the security headers, cuts long answers into pieces."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys
        self._form = signin.Form(keys.find_signed_in, keys.people.all, lambda: keys.has_nobody)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        visitor = self._find(headers)
        known = {VISITOR: visitor, ASK_AGAIN: lambda: self._find(headers)}
        if not _is_same_origin(headers):
            await _refuse(scope, receive, send, HTTPStatus.FORBIDDEN)
        elif scope["type"] == "http" and scope["path"] == SIGN_IN:
            name = "" if visitor is None else visitor.name
            await self._form.answer(scope, receive, _careful(scope, send), name)
        elif scope["type"] == "http" and scope["path"] == SIGN_OUT:
            await signin.sign_out(scope)(scope, receive, _careful(scope, send))
        elif visitor is None and scope["path"] not in OPEN_PATHS:
            await _refuse(scope, receive, send, HTTPStatus.UNAUTHORIZED)
        elif _is_too_long(scope, headers):
            await _refuse(scope, receive, send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif scope["type"] == "http":
            # HEAD is GET without the body, which the server leaves out (RFC 9110, 9.3.2)
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            inner = {**scope, "method": method, **known}
            await self._app(inner, receive, _careful(scope, send))
        else:
            await self._app({**scope, **known}, receive, send)

    def _find(self, headers: Mapping[str, str]) -> Visitor | None:
        found = self._keys.find(offered_token(headers.get("authorization", "")))
        # who signed in is somebody, also where everybody may look
        signed_in = self._keys.find_signed_in(signin.shown_proof(headers))
        return found if signed_in is None or (found and found.is_operator) else signed_in


def _careful(scope: Scope, send: Send) -> Send:
    policy = API_POLICY if is_api(scope["path"]) else BOARD_POLICY

    async def careful(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = (*SECURITY_HEADERS, (b"content-security-policy", policy))
            message["headers"] = [*message.get("headers", ()), *extra]
        for piece in _pieces(message):
            await send(piece)

    return careful


def _is_same_origin(headers: dict[str, str]) -> bool:
    # A page of another site may open a WebSocket to a board on loopback and read it: browsers
    # do not stop that, they only say where the page came from.
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def _is_too_long(scope: Scope, headers: dict[str, str]) -> bool:
    """Return whether a request to the API brings more than a word, or does not say how much."""
    if scope["type"] != "http" or not is_api(scope["path"]):
        return False
    length = headers.get("content-length", "0")
    try:  # int() itself refuses numbers of thousands of digits
        is_bounded = 0 <= int(length) <= BODY_BYTES
    except ValueError:
        is_bounded = False
    return "transfer-encoding" in headers or not is_bounded


def _pieces(message: Message) -> Iterable[Message]:
    body = message.get("body", b"")
    if message["type"] != "http.response.body" or len(body) <= PIECE_BYTES:
        yield message
        return
    view = memoryview(body)  # slicing copies 256 kB at a time, not the whole
    for start in range(0, len(body), PIECE_BYTES):
        is_last = start + PIECE_BYTES >= len(body)
        more = message.get("more_body", False) if is_last else True
        piece = bytes(view[start : start + PIECE_BYTES])
        yield {"type": "http.response.body", "body": piece, "more_body": more}


async def _refuse(scope: Scope, receive: Receive, send: Send, status: HTTPStatus) -> None:
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": 1008, "reason": status.phrase})
        return
    if status is HTTPStatus.UNAUTHORIZED and _is_person(scope):
        await signin.to_form(scope)(scope, receive, send)
        return
    headers = {}
    detail = "pages of another origin may not read this; a proxy must pass the Host header on"
    if status is HTTPStatus.UNAUTHORIZED:
        scheme = "Bearer" if is_api(scope["path"]) else "Basic"
        headers["WWW-Authenticate"] = f'{scheme} realm="infragate"'
        detail = "send the token of [http] token: Authorization: Bearer …, or as Basic password"
    elif status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = f"a body has at most {BODY_BYTES} bytes, and says how many (Content-Length)"
    response = problem(status, detail, scope["path"], headers=headers)
    await response(scope, receive, send)


def _is_person(scope: Scope) -> bool:
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    return not is_api(scope["path"]) and signin.wants_page(scope, headers)
