"""The official clients of Elasticsearch and OpenSearch, as one function each: a request, and what
was answered. Each refuses the other's server."""

import json
from collections.abc import Callable
from typing import Any

from tagger.errors import InputError
from tagger.search.address import Address
from tagger.search.extras import needs
from tagger.search.patience import Busy
from tagger.settings import setting

TIMEOUT = 60.0

Request = Callable[[str, str, Any], Any]
"""Method, path, and a JSON object, or bytes of several lines of JSON; returns a JSON object. Raises
`Declined`, or `Busy` where the server cannot be reached."""


class Declined(Exception):
    """An answer that says no.

    Attributes
    ----------
    status : int
        Of HTTP.
    reason : str
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason[:300]


def open_client(address: Address, key: str | None) -> tuple[Request, Callable[[], None]]:
    """Return the client of an address, and what closes it; nothing is sent yet.

    Raises
    ------
    InputError
        If it is not installed, or the key is of no form that it takes.
    """
    if address.scheme == "elasticsearch":
        return _elasticsearch(address, key)
    return _opensearch(address, key)


def _elasticsearch(address: Address, key: str | None) -> tuple[Request, Callable[[], None]]:
    with needs("elasticsearch"):
        import elasticsearch
    host = f"[{address.host}]" if ":" in address.host else address.host
    client = elasticsearch.Elasticsearch(
        f"{'https' if address.tls else 'http'}://{host}:{address.port}",
        request_timeout=TIMEOUT,
        max_retries=0,
        retry_on_timeout=False,
        **_who(address, key),
    )

    def request(method: str, path: str, body: Any) -> Any:
        kind = "x-ndjson" if isinstance(body, bytes) else "json"
        headers = {"accept": "application/json"}
        if body is not None:
            headers["content-type"] = f"application/{kind}"
        try:
            return client.perform_request(method, path, headers=headers, body=body).body
        except elasticsearch.UnsupportedProductError as error:
            raise InputError(
                f"{address.plain} is not Elasticsearch: {error}; an OpenSearch is opensearch://"
            ) from error
        except elasticsearch.ApiError as error:
            raise Declined(error.meta.status, _said(error.body, str(error))) from error
        except elasticsearch.TransportError as error:
            raise Busy(str(error.__cause__ or error)[:300]) from error

    return request, client.close


def _opensearch(address: Address, key: str | None) -> tuple[Request, Callable[[], None]]:
    with needs("opensearch"):
        import opensearchpy
    if key is not None and ":" not in key:
        raise InputError(
            f"{setting('to')} {address.plain!r}: an OpenSearch is given user:password, and the key "
            "has no ':' in it"
        )
    client = opensearchpy.OpenSearch(
        hosts=[{"host": address.host, "port": address.port}],
        http_auth=tuple(key.split(":", 1)) if key else None,
        use_ssl=address.tls,
        verify_certs=address.tls,
        ca_certs=address.ca,
        timeout=TIMEOUT,
        max_retries=0,
        retry_on_timeout=False,
    )

    def request(method: str, path: str, body: Any) -> Any:
        lines = isinstance(body, bytes)
        headers = {"content-type": "application/x-ndjson"} if lines else None
        try:
            return client.transport.perform_request(method, path, body=body, headers=headers)
        except opensearchpy.ConnectionError as error:
            raise Busy(str(error.error)[:300]) from error
        except opensearchpy.TransportError as error:
            status = error.status_code if isinstance(error.status_code, int) else 503
            raise Declined(status, _said(error.info, str(error))) from error
        except opensearchpy.SerializationError as error:
            raise Declined(200, str(error)) from error

    return request, client.close


def _who(address: Address, key: str | None) -> dict[str, Any]:
    """Return what tells the server who we are, and us whether it is the server."""
    found: dict[str, Any] = {"ca_certs": address.ca} if address.ca else {}
    if key is not None and ":" in key:
        found["basic_auth"] = tuple(key.split(":", 1))
    elif key is not None:
        found["api_key"] = key
    return found


def _said(body: Any, otherwise: str) -> str:
    """Return the reason that an answer gives."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return otherwise
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        return f"{error.get('type', '')}: {error.get('reason', '')}".strip(": ")
    return str(error) if error else otherwise
