"""What the server of a review lets in: requests of its own page, on this machine, and no others."""

import asyncio
import logging
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 32 * 1024 * 1024
"""Of a request's body: 20,000 answers, each with a long name."""

_BODY_WITHIN = 30.0
"""Seconds in which a body must come."""

_OUR_WORD = "review"
"""What the header X-Tagger says: a form or a link of another site cannot send it."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_STALE = (
    "There is no such page. If it was an address of 'tagger review': each start of it has an "
    "address of its own. Use the one that the command printed last."
)
_LOG = logging.getLogger("tagger")


class Refusal(NamedTuple):
    """Why a request is not let in."""

    status: HTTPStatus
    words: str


class Gate:
    """Stands before an application: who does not know the token learns nothing from it.

    Parameters
    ----------
    app : ASGI application
        Sees paths below the token alone.
    token : str
        The first part of the path of every request.
    port : int
        Where the server listens: the host that a request names must be ours, for another site's
        name may lead to this machine.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _add_headers(message)
            await send(message)

        _, token, path = (*scope["path"].split("/", 2), "", "")[:3]
        refusal = self._refusal(token, scope["method"], Headers(scope=scope))
        if refusal is not None:
            answer = _refused(refusal, in_json=path.startswith("api/"))
            await answer(scope, receive, send_guarded)
            return
        if scope["path"] == f"/{token}":  # the page's own links are below its slash
            await RedirectResponse(f"/{token}/")(scope, receive, send_guarded)
            return
        below = dict(scope, path=f"/{path}", raw_path=None, root_path="")
        try:
            await self._app(below, _in_time(receive), send_guarded)
        except Exception:
            _LOG.exception("a request of the page failed")
            if not started:
                await failed()(scope, receive, send_guarded)

    def _refusal(self, token: str, method: str, headers: Headers) -> Refusal | None:
        """Return why this request is not let in, or None."""
        if "transfer-encoding" in headers and "content-length" in headers:
            return Refusal(HTTPStatus.BAD_REQUEST, "This says twice how long it is.")
        if headers.get("host", "") not in self._hosts:
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This server answers to the address that 'tagger review' printed, and to no other "
                "name.",
            )
        if not secrets.compare_digest(token.encode(), self._token):
            return Refusal(HTTPStatus.NOT_FOUND, _STALE)
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not _opens_page(
            method, headers
        ):
            return Refusal(HTTPStatus.FORBIDDEN, "Another site asked for this; it gets nothing.")
        return self._refusal_of_post(headers) if method == "POST" else None

    def _refusal_of_post(self, headers: Headers) -> Refusal | None:
        """Return why this request to change or ask something is not our page's, or None."""
        origins = {f"http://{host}" for host in self._hosts}
        if headers.get("origin", f"http://{headers['host']}") not in origins:
            return Refusal(HTTPStatus.FORBIDDEN, "Another site sent this; nothing was kept.")
        if headers.get("x-tagger") != _OUR_WORD:
            return Refusal(
                HTTPStatus.FORBIDDEN,
                "This did not come from the page of 'tagger review': the header 'X-Tagger: review' "
                "is missing; nothing was kept.",
            )
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A request here has JSON; nothing was kept."
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return Refusal(*too_large())
        return None


def too_large() -> Refusal:
    """Return the refusal of a body that is too large."""
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"A request may have {MOST_BYTES:,} bytes; nothing was kept. Say less at once.",
    )


def error(status: int, words: str) -> Response:
    """Return an answer of the JSON routes that says what is wrong."""
    return Response(msgspec.json.encode({"error": words}), status, media_type="application/json")


def failed() -> Response:
    """Return the answer to a request that met a fault of ours; its traceback is in the terminal."""
    return error(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Something unexpected happened; what was said last may not be kept: look at the picture "
        "again. The terminal in which 'tagger review' runs says more.",
    )


def _opens_page(method: str, headers: Headers) -> bool:
    """Return whether a person follows a link to the page, which any program may have shown."""
    return (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _refused(refusal: Refusal, *, in_json: bool) -> Response:
    """Return the answer to who is not let in; what else they sent is not read."""
    answer = (
        error(refusal.status, refusal.words)
        if in_json
        else PlainTextResponse(f"{refusal.words}\n", refusal.status)
    )
    answer.headers["Connection"] = "close"
    return answer


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _strict(headers):
        headers[name] = value


def _strict(headers: MutableHeaders) -> Iterable[tuple[str, str]]:
    """Yield the headers of every answer; one that may be kept says so itself."""
    yield from _HEADERS.items()
    if "cache-control" not in headers:
        yield "Cache-Control", "no-store"


def _in_time(receive: Receive) -> Receive:
    """Return `receive` for a client that must not take for ever over its body, in one piece or in
    many."""
    until = asyncio.get_running_loop().time() + _BODY_WITHIN

    async def receive_in_time() -> Message:
        async with asyncio.timeout_at(until):
            return await receive()

    return receive_in_time
