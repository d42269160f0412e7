"""Sign-in of a browser: name and password once in a form, or a token; then a cookie that proves it.

The cookie is an HMAC under the token, or under what is kept of the password: it opens nothing once
either is another, it is neither, no script can read it, and no other site's page can make a browser
send it.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from html import escape
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, quote, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.api.turns import BusyError, Turns
from gateway.store.accounts import Account, is_right
from gateway.views.visitor import ANYBODY, SIGN_IN, SIGN_OUT, Visitor

COOKIE = "infragate"
MONTH_S = 30 * 86_400  # a wall is not asked every day
FORM_BYTES = 4096
FORM_S = 10.0  # who sends a form letter by letter would hold a connection, one of 512, for ever
WRONG_S = 1.0  # a guess takes this long
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
<main>{who}<form method="post" action="{action}"><h1>infragate</h1>
<label for="name">Name · <span lang="vi">Tên</span></label>
<input id="name" name="name" autocomplete="username" maxlength="64" autofocus>
<label for="token">Password, or a token without a name ·
<span lang="vi">Mật khẩu, hoặc mã truy cập không cần tên</span></label>
<input id="token" name="token" type="password" autocomplete="current-password" required>
{wrong}<button>Sign in · <span lang="vi">Đăng nhập</span></button></form></main></html>"""
_WRONG = (
    '<p role="alert">Wrong name, password or token · '
    '<span lang="vi">Sai tên, mật khẩu hoặc mã truy cập</span></p>'
)
_BUSY = (
    '<p role="alert">Too many try to sign in. Wait a moment. · '
    '<span lang="vi">Quá nhiều người đang đăng nhập. Hãy chờ một lát.</span></p>'
)
_NOBODY = (
    '<p role="alert">Nobody has an account yet. On the gateway: · '
    '<span lang="vi">Chưa ai có tài khoản. Trên máy chạy gateway:</span><br>'
    "<code>infragate operator add NAME -c FILE</code></p>"
)
_WHO = (
    '<form method="post" action="{out}"><b>{name}</b>'
    '<button>Sign out · <span lang="vi">Đăng xuất</span></button></form>'
)


def proof_of(token: str) -> str:
    """Return what the cookie of a token's bearer says."""
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def proof_of_account(account: Account) -> str:
    """Return what the cookie of somebody says who knew his password."""
    return hmac.new(bytes.fromhex(account.hash), _PURPOSE, hashlib.sha256).hexdigest()


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
    return RedirectResponse(f"{SIGN_IN}?next={quote(back, safe='')}", HTTPStatus.SEE_OTHER)


class Form:
    """The form, and what was filled in.

    Args:
        find: who has the cookie of a proof.
        accounts: by name.
        has_nobody: whether nobody could sign in at all.
    """

    def __init__(
        self,
        find: Callable[[str], Visitor | None],
        accounts: Callable[[], Mapping[str, Account]],
        has_nobody: Callable[[], bool],
    ) -> None:
        self._find, self._accounts, self._has_nobody = find, accounts, has_nobody
        self._turns = Turns()

    async def answer(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        """Show the form to somebody who is ``name`` already, or look at what was filled in."""
        back = _back(scope)
        if scope["method"] != "POST":
            notice = _NOBODY if self._has_nobody() else ""
            await _form(back, notice, HTTPStatus.OK, name)(scope, receive, send)
            return
        try:
            wanted, secret = await asyncio.wait_for(_fields(receive), FORM_S)
        except TimeoutError:
            late = Response(None, HTTPStatus.REQUEST_TIMEOUT, {"Connection": "close"})
            await late(scope, receive, send)
            return
        peer = str((scope.get("client") or ("",))[0])
        answer: Response
        try:
            proof = await self._prove(wanted, secret, peer)
        except BusyError:
            answer = _form(back, _BUSY, HTTPStatus.TOO_MANY_REQUESTS)
        else:
            if proof:
                answer = _let_in(back, proof, is_tls=scope.get("scheme") == "https")
            else:
                await asyncio.sleep(WRONG_S)
                answer = _form(back, _WRONG, HTTPStatus.UNAUTHORIZED)
        await answer(scope, receive, send)

    async def _prove(self, name: str, secret: str, peer: str) -> str:
        """Return what the cookie of somebody shall say, "" for nobody."""
        if not secret:
            return ""
        if self._find(proof_of(secret)) is not None:
            return proof_of(secret)
        if not name:
            return ""
        account = self._accounts().get(name)
        async with self._turns.of(peer):
            # for a name that nobody has as well: the time tells nothing
            is_known = await asyncio.to_thread(is_right, account, secret)
        return proof_of_account(account) if account is not None and is_known else ""


def sign_out(scope: Scope) -> Response:
    """Take the cookie back, where a form asks for it; a mere link signs nobody out."""
    answer = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
    if scope["method"] == "POST":
        answer.delete_cookie(
            COOKIE, secure=scope.get("scheme") == "https", httponly=True, samesite="strict"
        )
    return answer


def _let_in(back: str, proof: str, *, is_tls: bool) -> Response:
    answer = RedirectResponse(back, HTTPStatus.SEE_OTHER)
    answer.set_cookie(COOKIE, proof, MONTH_S, secure=is_tls, httponly=True, samesite="strict")
    return answer


def _form(back: str, wrong: str, status: HTTPStatus, name: str = "") -> Response:
    is_somebody = name not in {"", ANYBODY}
    who = _WHO.format(out=SIGN_OUT, name=escape(name)) if is_somebody else ""
    text = _PAGE.format(action=f"{SIGN_IN}?next={quote(back, safe='')}", wrong=wrong, who=who)
    return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def _back(scope: Scope) -> str:
    """Return the page of ours to go to; a link from elsewhere must not lead elsewhere."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    wanted = query.get("next", ["/"])[0]
    parts = urlsplit(wanted)
    is_ours = wanted[:1] == "/" and wanted[1:2] not in {"/", "\\"} and not parts.netloc
    return wanted if is_ours else "/"


async def _fields(receive: Receive) -> tuple[str, str]:
    """Return name and secret of a form, "" where it is longer than one."""
    body = b""
    while len(body) <= FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            found = parse_qs(body.decode("latin-1"), encoding="utf-8")
            return found.get("name", [""])[0].strip(), found.get("token", [""])[0]
    return "", ""
