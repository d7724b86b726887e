"""What the page sends, read strictly: a body or an address becomes a record or a plain refusal."""

from http import HTTPStatus
from typing import TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tagger.review.security import MOST_BYTES, too_large

Kind = TypeVar("Kind", bound=msgspec.Struct)


async def body_of(request: Request, kind: type[Kind]) -> Kind:
    """Return the record that a request's body is.

    Raises
    ------
    HTTPException
        If it is too large, too slow, no JSON, or not such a record.
    """
    body = await _bytes_of(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"this is not understood: {error}") from error
    except RecursionError as error:
        words = "this is not understood: it is nested too deeply"
        raise HTTPException(HTTPStatus.BAD_REQUEST, words) from error


async def _bytes_of(request: Request) -> bytes:
    received = bytearray()
    try:
        async for part in request.stream():
            received += part
            if len(received) > MOST_BYTES:
                raise HTTPException(*too_large())
    except TimeoutError as error:
        words = "the rest of the request did not come; nothing was kept"
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, words) from error
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the request broke off") from error
    return bytes(received)


def image_id_of(request: Request) -> str:
    """Return the picture that an address names with `?id=`.

    Raises
    ------
    HTTPException
        If it names none, or several.
    """
    named = request.query_params.getlist("id")
    if len(named) != 1:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "name one picture, by ?id=")
    return named[0]


def json_answer(value: object, status: int = HTTPStatus.OK) -> Response:
    """Return records as JSON."""
    content = msgspec.json.encode(value, enc_hook=_number)
    return Response(content, status, media_type="application/json")


def _number(value: object) -> object:
    """Return a NumPy number as Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise NotImplementedError
