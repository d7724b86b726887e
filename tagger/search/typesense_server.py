"""A Typesense server, by its official client.

Written for the current API, and tried on servers 0.24.1 and later: 0.24 is the first that has
vectors. Records of ours are documents of the collection `tagger_sync`.
"""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa

from schemas.documents import DocumentField
from schemas.sync import Refusal
from tagger.errors import EngineError, InputError
from tagger.search.address import KEY_VARIABLE, RECORDS, Address
from tagger.search.engine import no_documents
from tagger.search.extras import needs
from tagger.search.patience import Busy, Patience, Verdicts, until_taken
from tagger.search.server import Line, ascii_lines
from tagger.search.typesense_fields import collection_fields
from tagger.settings import setting

_OLDEST = (0, 24)
_TIMEOUT = 60.0
_DELETED_AT_ONCE = 100  # a filter stands in the address, which may have 4,000 signs
_BUSY_CODES = (429, 503, 500, 507)

Answer = TypeVar("Answer")


class TypesenseServer:
    """See `tagger.search.server.Server`.

    Parameters
    ----------
    key : str or None
        An API key that may do all with collections, documents and aliases.

    Raises
    ------
    InputError
        If there is no key, or the client is not installed.
    """

    batch = 2_000

    def __init__(self, address: Address, key: str | None, patience: float) -> None:
        with needs("typesense"):
            import typesense
        if key is None:
            raise InputError(
                f"{setting('to')} {address.plain!r} needs an API key: put it into the variable "
                f"{KEY_VARIABLE}, or into a file that {setting('key_file')} names"
            )
        self.shown = address.plain
        self.longest = patience + _TIMEOUT
        self._patience = Patience(address.plain, patience)
        node = {
            "host": address.host,
            "port": address.port,
            "protocol": "https" if address.tls else "http",
        }
        settings = {
            "nodes": [node],
            "api_key": key,
            "connection_timeout_seconds": _TIMEOUT,
            "num_retries": 0,
        }
        with _without_warnings():
            self._client = typesense.Client(settings)

    def close(self) -> None:
        """Let go of connections."""
        self._client.api_call.close()

    def check(self) -> None:
        """Raise InputError if the key is wrong, or the server of a version that is not known."""
        found = self._there(lambda: self._client.debug.retrieve())
        if not isinstance(found, dict) or "version" not in found:
            raise InputError(f"{self.shown} does not answer as Typesense does: it says no version")
        version = str(found["version"]).removeprefix("v")
        numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
        if len(numbers) == 2 and tuple(numbers) < _OLDEST:
            raise InputError(f"{self.shown} is Typesense {version}; needed is 0.24 or later")

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a record of ours, or None where there is none."""
        found = self._there(lambda: self._records[key].retrieve())
        return None if found is None else dict(json.loads(str(found["record"])))

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Write a record of ours."""
        self._with_records(lambda: self._records.upsert(_record(key, record)))

    def create(self, key: str, record: dict[str, Any]) -> bool:
        """Write a record of ours unless there is one; return whether there was none."""
        from typesense.exceptions import ObjectAlreadyExists

        try:
            self._with_records(lambda: self._records.create(_record(key, record)))
        except ObjectAlreadyExists:
            # A request that was asked again may have arrived the first time.
            return self.read(key) == record
        return True

    def remove(self, key: str) -> None:
        """Remove a record of ours, if it is there."""
        self._there(lambda: self._records[key].delete())

    def make(self, collection: str, fields: list[DocumentField]) -> None:
        """Make a collection; one of this name is replaced."""
        self.drop(collection)
        schema = {"name": collection, "fields": collection_fields(fields)}
        self._checked(lambda: self._client.collections.create(schema))

    def drop(self, collection: str) -> None:
        """Remove a collection, if it is there."""
        self._there(lambda: self._client.collections[collection].delete())

    def is_collection(self, name: str) -> bool:
        """Return whether there is a collection, and no alias, of this name."""
        found = self._there(lambda: self._client.collections[name].retrieve())
        return found is not None and found["name"] == name

    def differs(self, collection: str, fields: list[DocumentField]) -> str | None:
        """Return in what a collection's mapping is not what it should be, or None."""
        found = self._there(lambda: self._client.collections[collection].retrieve())
        if found is None:
            return "it is gone"
        there = {field["name"]: field for field in found["fields"]}
        for wanted in collection_fields(fields):
            name = wanted["name"]
            if wanted.get("index") is False:  # some versions do not list what is not searched
                continue
            if name not in there:
                return f"the field {name!r} is gone"
            for what, value in wanted.items():
                if there[name].get(what) != value:
                    return (
                        f"{what} of the field {name!r} is {there[name].get(what)!r}, not {value!r}"
                    )
        return None

    def served(self, alias: str) -> str | None:
        """Return the collection that an alias leads to, or None."""
        found = self._there(lambda: self._client.aliases[alias].retrieve())
        return None if found is None else str(found["collection_name"])

    def point(self, alias: str, collection: str) -> None:
        """Let an alias lead to a collection, by one request."""
        self._checked(lambda: self._client.aliases.upsert(alias, {"collection_name": collection}))

    def upsert(self, collection: str, lines: Sequence[Line]) -> list[Refusal]:
        """Write documents; return those that were refused."""
        entries = {line.id: line for line in lines}
        refused = until_taken(entries, partial(self._import, collection), self._checked)
        return [
            Refusal(id=one, name=entries[one].name, reason=why[:300])
            for one, why in refused.items()
        ]

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove documents; one that is not there is none."""
        for at in range(0, len(ids), _DELETED_AT_ONCE):
            some = ",".join(ids[at : at + _DELETED_AT_ONCE])
            self._checked(partial(self._delete, collection, f"id:[{some}]"))

    def count(self, collection: str) -> int:
        """Return how many documents a collection has."""
        found = self._checked(lambda: self._client.collections[collection].retrieve())
        return int(found["num_documents"])

    def members(self, collection: str) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        text = self._checked(
            lambda: self._client.collections[collection].documents.export(
                {"include_fields": "sku,members"}
            )
        )
        rows = [json.loads(line) for line in text.split("\n") if line]  # U+2028 ends no line
        return pa.Table.from_pylist(rows, schema=no_documents().schema)

    @property
    def _records(self) -> Any:
        return self._client.collections[RECORDS].documents

    def _delete(self, collection: str, which: str) -> None:
        self._client.collections[collection].documents.delete({"filter_by": which})

    def _import(self, collection: str, lines: Mapping[str, Line]) -> Verdicts:
        text = self._client.collections[collection].documents.import_(
            ascii_lines(list(lines.values())), {"action": "upsert"}
        )
        answers = [json.loads(line) for line in str(text).split("\n") if line]
        if len(answers) != len(lines):
            raise Busy(f"it answered {len(answers)} of {len(lines)} documents")
        said = Verdicts({}, {})
        for one, answer in zip(lines, answers, strict=True):
            if not answer.get("success"):
                busy = answer.get("code") in _BUSY_CODES
                why = str(answer.get("error", "it did not say why"))
                (said.busy if busy else said.refused)[one] = why
        return said

    def _with_records(self, question: Callable[[], object]) -> None:
        """Ask, after making the collection of our records where it is missing."""
        from typesense.exceptions import ObjectAlreadyExists, ObjectNotFound

        try:
            self._ask(question)
        except ObjectNotFound:
            schema = {"name": RECORDS, "fields": [{"name": "name", "type": "string"}]}
            with suppress(ObjectAlreadyExists):
                self._ask(lambda: self._client.collections.create(schema))
            self._ask(question)

    def _there(self, question: Callable[[], Answer]) -> Answer | None:
        from typesense.exceptions import ObjectNotFound

        try:
            return self._ask(question)
        except ObjectNotFound:
            return None

    def _checked(self, question: Callable[[], Answer]) -> Answer:
        """Return the answer to a question about what should be there."""
        from typesense.exceptions import ObjectAlreadyExists, ObjectNotFound

        try:
            return self._ask(question)
        except (ObjectNotFound, ObjectAlreadyExists) as error:
            raise EngineError(
                f"{self.shown}: {_said(error)}; does somebody else work there? Sync again"
            ) from error

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the answer to a question; `Busy` is asked again, a wrong key is our user's."""
        return self._patience.ask(lambda: self._once(question))

    def _once(self, question: Callable[[], Answer]) -> Answer:
        import httpx
        from typesense import exceptions as of

        try:
            with _without_warnings():
                return question()
        except (of.RequestUnauthorized, of.RequestForbidden) as error:
            raise InputError(
                f"{self.shown} does not accept the API key; it has to be allowed collections:*, "
                "documents:*, aliases:* and debug:list"
            ) from error
        except (of.ServiceUnavailable, of.HTTPStatus0Error, of.Timeout, of.ServerError) as error:
            raise Busy(_said(error)) from error
        except httpx.HTTPError as error:
            raise Busy(_said(error)) from error
        except json.JSONDecodeError as error:
            raise InputError(
                f"{self.shown} does not answer as Typesense does: {_said(error)}"
            ) from error
        except (of.RequestMalformed, of.ObjectUnprocessable) as error:
            raise EngineError(f"{self.shown} refused a request: {_said(error)}") from error
        except of.TypesenseClientError as error:
            if type(error) is of.TypesenseClientError:  # 429 among them
                raise Busy(_said(error)) from error
            raise


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence what the client says of parts of it that nobody asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _record(key: str, record: dict[str, Any]) -> dict[str, str]:
    return {"id": key, "name": key, "record": json.dumps(record)}


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
