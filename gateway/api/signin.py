"""Sign-in of a browser: the token once in a form, then a cookie that only proves that it was known.

The cookie is an HMAC under the token: it opens nothing once the token is another, it is not the
token, no script can read it, and no other site's page can make a browser send it.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

PATH = "/sign-in"
COOKIE = "infragate"
MONTH_S = 30 * 86_400  # a wall is not asked every day
FORM_BYTES = 4096
WRONG_S = 1.0  # a guess takes this long; tokens are random, so it only keeps logs short
_PURPOSE = b"infragate board 1"

# With no referrer a browser says ``Origin: null`` of a form, which the guard refuses.
# Without scripts and without the board's style sheet: it is shown before anything is loaded.
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>infragate</title>
<meta name="referrer" content="same-origin"><link rel="icon" href="data:,">
<style>body{{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;
margin:0;background:#f4f3ee;color:#1c2629}}form{{background:#fffefb;border:1px solid #e3e1d8;
border-radius:9px;padding:22px 26px;display:grid;gap:10px;width:min(340px,88vw)}}h1{{font-size:20px;
margin:0}}input,button{{font:inherit;padding:8px 10px;border-radius:6px;border:1px solid #5d6b70}}
button{{background:#14616a;color:#fff;border:0}}p{{margin:0;color:#a5281b}}
@media(prefers-color-scheme:dark){{body{{background:#0f1517;color:#e6ebe9}}form{{background:#171f22;
border-color:#273135}}input{{background:#0f1517;color:inherit}}p{{color:#ff9a88}}}}</style>
<main><form method="post" action="{action}"><h1>infragate</h1>
<label for="token">Token · <span lang="vi">Mã truy cập</span></label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
{wrong}<button>Sign in · <span lang="vi">Đăng nhập</span></button></form></main></html>"""
_WRONG = '<p role="alert">Wrong token · <span lang="vi">Sai mã truy cập</span></p>'


def proof_of(token: str) -> str:
    """Return what the cookie of a token's bearer says."""
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def shown_proof(headers: Mapping[str, str]) -> str:
    """Return what the cookie of a request says, "" where it has none."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return ""
    found = cookies.get(COOKIE)
    return "" if found is None else found.value


def wants_page(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether a person looks at a page, whom a form helps more than a status."""
    is_read = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
    return is_read and "text/html" in headers.get("accept", "")


def to_form(scope: Scope) -> Response:
    """Send a person to the form, and back to his page afterwards."""
    query = scope.get("query_string", b"").decode("latin-1")
    back = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"{PATH}?next={quote(back, safe='')}", HTTPStatus.SEE_OTHER)


async def sign_in(
    scope: Scope, receive: Receive, send: Send, is_known: Callable[[str], bool]
) -> None:
    """Show the form, or look at what was filled in."""
    back = _back(scope)
    if scope["method"] == "POST":
        token = await _token(receive)
        if is_known(token):
            answer: Response = RedirectResponse(back, HTTPStatus.SEE_OTHER)
            is_tls = scope.get("scheme") == "https"
            answer.set_cookie(
                COOKIE,
                proof_of(token),
                MONTH_S,
                secure=is_tls,
                httponly=True,
                samesite="strict",
            )
        else:
            await asyncio.sleep(WRONG_S)
            answer = _form(back, _WRONG, HTTPStatus.UNAUTHORIZED)
    else:
        answer = _form(back, "", HTTPStatus.OK)
    await answer(scope, receive, send)


def _form(back: str, wrong: str, status: HTTPStatus) -> Response:
    text = _PAGE.format(action=f"{PATH}?next={quote(back, safe='')}", wrong=wrong)
    return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def _back(scope: Scope) -> str:
    """Return the page of ours to go to; a link from elsewhere must not lead elsewhere."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    wanted = query.get("next", ["/"])[0]
    parts = urlsplit(wanted)
    is_ours = wanted[:1] == "/" and wanted[1:2] not in {"/", "\\"} and not parts.netloc
    return wanted if is_ours else "/"


async def _token(receive: Receive) -> str:
    """Return the token of a form, "" where it is longer than one."""
    body = b""
    while len(body) <= FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            found = parse_qs(body.decode("latin-1"), encoding="utf-8").get("token", [""])
            return str(found[0])
    return ""
