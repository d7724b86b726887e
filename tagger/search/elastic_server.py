"""An Elasticsearch or an OpenSearch, each by its own official client.

Bulk requests, mappings and aliases are those of their published specifications. Tried against a
server of the tests' own that holds requests to those, not against the real ones. Records of ours
are documents of the index `tagger_sync`.
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from schemas.documents import DocumentField, Kind
from schemas.sync import Refusal
from tagger.errors import EngineError, InputError
from tagger.search.address import KEY_VARIABLE, RECORDS, Address
from tagger.search.elastic_bulk import BUSY, bulk
from tagger.search.elastic_client import TIMEOUT, Declined, open_client
from tagger.search.engine import no_documents
from tagger.search.patience import Busy, Patience
from tagger.search.server import Line
from tagger.settings import setting

_TYPES: dict[Kind, dict[str, Any]] = {
    "key": {"type": "keyword"},
    "text": {"type": "keyword"},
    "texts": {"type": "keyword"},
    "choice": {"type": "keyword"},
    "choices": {"type": "keyword"},
    "words": {"type": "text"},
    "score": {"type": "float"},  # rank_features cannot hold 0, keeps nine bits and filters nothing
    "moment": {"type": "date", "format": "epoch_second"},
    "mark": {"type": "keyword", "index": False},
}
_OF_MAPPINGS = ("type", "dims", "dimension", "format")
_NOT_THERE = 404
_THERE_ALREADY = 409
_PAGE = 5_000
_SPARE_FIELDS = 100


class ElasticServer:
    """See `tagger.search.server.Server`.

    Parameters
    ----------
    key : str or None
        `user:password`, or, for Elasticsearch, an API key; None where the server asks for none.

    Raises
    ------
    InputError
        If the client is not installed, or the key is of no form that it takes.
    """

    batch = 2_000

    def __init__(self, address: Address, key: str | None, patience: float) -> None:
        self.shown = address.plain
        self.longest = patience + TIMEOUT
        self._scheme = address.scheme
        self._patience = Patience(address.plain, patience)
        self._client, self.close = open_client(address, key)
        self._has_records = False

    def check(self) -> None:
        """Raise InputError if the key is wrong, or the server is another product or version."""
        try:
            found = self._ask("GET", "/")
        except Declined as declined:
            raise self._other(declined.reason) from declined
        version = found.get("version") if isinstance(found, dict) else None
        if not isinstance(version, dict):
            raise self._other("it says no version")
        product = version.get("distribution", "elasticsearch")
        if product != self._scheme:
            raise InputError(
                f"{self.shown} is {product} {version.get('number', '')}; write {product}://"
            )

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a record of ours, or None where there is none."""
        found = self._there("GET", f"/{RECORDS}/_doc/{_quoted(key)}")
        return None if found is None else dict(json.loads(found["_source"]["record"]))

    def write(self, key: str, record: dict[str, Any]) -> None:
        """Write a record of ours."""
        self._make_records()
        self._ask("PUT", f"/{RECORDS}/_doc/{_quoted(key)}", {"record": json.dumps(record)})

    def create(self, key: str, record: dict[str, Any]) -> bool:
        """Write a record of ours unless there is one; return whether there was none."""
        self._make_records()
        try:
            self._ask("PUT", f"/{RECORDS}/_create/{_quoted(key)}", {"record": json.dumps(record)})
        except Declined as refused:
            if refused.status != _THERE_ALREADY:
                raise self._error(refused) from refused
            # A request that was asked again may have arrived the first time.
            return self.read(key) == record
        return True

    def remove(self, key: str) -> None:
        """Remove a record of ours, if it is there."""
        self._there("DELETE", f"/{RECORDS}/_doc/{_quoted(key)}")

    def make(self, collection: str, fields: list[DocumentField]) -> None:
        """Make an index; one of this name is replaced."""
        self.drop(collection)
        self._checked("PUT", f"/{collection}", index_body(fields, self._scheme))

    def drop(self, collection: str) -> None:
        """Remove an index, if it is there."""
        self._there("DELETE", f"/{collection}")

    def is_collection(self, name: str) -> bool:
        """Return whether there is an index, and no alias, of this name."""
        found = self._there("GET", f"/{name}")
        return found is not None and name in found

    def differs(self, collection: str, fields: list[DocumentField]) -> str | None:
        """Return in what an index's mapping is not what it should be, or None."""
        found = self._there("GET", f"/{collection}/_mapping")
        if found is None:
            return "it is gone"
        there = next(iter(found.values()))["mappings"].get("properties", {})
        for name, wanted in mapping(fields, self._scheme).items():
            for what in _OF_MAPPINGS:
                is_ = there.get(name, {}).get(what)
                if is_ != wanted.get(what):
                    return f"{what} of the field {name!r} is {is_!r}, not {wanted.get(what)!r}"
        return None

    def served(self, alias: str) -> str | None:
        """Return the index that an alias leads to, or None."""
        found = self._there("GET", f"/_alias/{alias}")
        if not found:
            return None
        if len(found) > 1:
            raise InputError(
                f"{self.shown}: {alias!r} leads to several indexes: {', '.join(sorted(found))}; "
                "'tagger sync' keeps one; remove the others from the alias"
            )
        return str(next(iter(found)))

    def point(self, alias: str, collection: str) -> None:
        """Let an alias lead to an index, by one request."""
        before = self.served(alias)
        actions: list[dict[str, Any]] = [{"add": {"index": collection, "alias": alias}}]
        if before is not None and before != collection:
            actions.insert(0, {"remove": {"index": before, "alias": alias}})
        self._checked("POST", "/_aliases", {"actions": actions})

    def upsert(self, collection: str, lines: Sequence[Line]) -> list[Refusal]:
        """Write documents; return those that were refused."""
        names = {line.id: line.name for line in lines}
        entries = {
            line.id: json.dumps({"index": {"_index": collection, "_id": line.id}}).encode()
            + b"\n"
            + line.json
            + b"\n"
            for line in lines
        }
        refused = self._bulk(entries)
        return [Refusal(id=one, name=names[one], reason=why) for one, why in refused.items()]

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove documents; one that is not there is none."""
        for at in range(0, len(ids), self.batch):
            entries = {
                one: json.dumps({"delete": {"_index": collection, "_id": one}}).encode() + b"\n"
                for one in ids[at : at + self.batch]
            }
            refused = self._bulk(entries)
            if refused:
                one, why = next(iter(refused.items()))
                raise EngineError(f"{self.shown} did not remove the document {one}: {why}")

    def count(self, collection: str) -> int:
        """Return how many documents an index has."""
        self._checked("POST", f"/{collection}/_refresh")
        return int(self._checked("GET", f"/{collection}/_count")["count"])

    def members(self, collection: str) -> pa.Table:
        """Return `sku` and `members` of all documents."""
        self._checked("POST", f"/{collection}/_refresh")
        question = {"size": _PAGE, "sort": ["_doc"], "_source": ["sku", "members"]}
        page = self._checked("POST", f"/{collection}/_search?scroll=2m", question)
        rows: list[dict[str, Any]] = []
        while page["hits"]["hits"]:
            rows += [hit["_source"] for hit in page["hits"]["hits"]]
            more = {"scroll": "2m", "scroll_id": page["_scroll_id"]}
            page = self._checked("POST", "/_search/scroll", more)
        self._there("DELETE", "/_search/scroll", {"scroll_id": page["_scroll_id"]})
        return pa.Table.from_pylist(rows, schema=no_documents().schema)

    def _bulk(self, entries: dict[str, bytes]) -> dict[str, str]:
        """Do what each entry says; return the ids of those that were refused, and why."""
        try:
            return bulk(entries, lambda body: self._once("POST", "/_bulk", body), self._patience)
        except Declined as error:
            raise self._error(error) from error

    def _make_records(self) -> None:
        if self._has_records:
            return
        kept = {"type": "keyword", "index": False, "doc_values": False}
        body = {"mappings": {"dynamic": False, "properties": {"record": kept}}}
        try:
            self._ask("PUT", f"/{RECORDS}", body)
        except Declined as refused:
            if "already_exists" not in refused.reason:
                raise self._error(refused) from refused
        self._has_records = True

    def _there(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer, or None where there is no such thing."""
        try:
            return self._ask(method, path, body)
        except Declined as refused:
            if refused.status == _NOT_THERE:
                return None
            raise self._error(refused) from refused

    def _checked(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._ask(method, path, body)
        except Declined as refused:
            raise self._error(refused) from refused

    def _error(self, refused: Declined) -> EngineError:
        return EngineError(f"{self.shown} refused a request: {refused.reason}")

    def _other(self, said: str) -> InputError:
        return InputError(f"{self.shown} does not answer as {self._scheme} does: {said}")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._patience.ask(lambda: self._once(method, path, body))

    def _once(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._client(method, path, body)
        except Declined as refused:
            if refused.status in (401, 403):
                raise InputError(
                    f"{self.shown} does not let us in ({refused.reason}); put user:password, or an "
                    f"API key of Elasticsearch, into the variable {KEY_VARIABLE}, or into a file "
                    f"that {setting('key_file')} names"
                ) from refused
            if refused.status in BUSY:
                raise Busy(refused.reason) from refused
            raise


def index_body(fields: list[DocumentField], scheme: str) -> dict[str, Any]:
    """Return the settings and the mapping of an index.

    Parameters
    ----------
    scheme : str
        `elasticsearch` or `opensearch`.
    """
    settings: dict[str, Any] = {"mapping.total_fields.limit": len(fields) + _SPARE_FIELDS}
    if scheme == "opensearch" and any(field.kind == "vector" for field in fields):
        settings["knn"] = True
    mappings = {"dynamic": False, "properties": mapping(fields, scheme)}
    return {"settings": {"index": settings}, "mappings": mappings}


def mapping(fields: list[DocumentField], scheme: str) -> dict[str, dict[str, Any]]:
    """Return what each field is in an index."""
    return {
        field.name: _vector(field.size, scheme) if field.kind == "vector" else _TYPES[field.kind]
        for field in fields
    }


def _vector(size: int, scheme: str) -> dict[str, Any]:
    if scheme == "elasticsearch":
        return {"type": "dense_vector", "dims": size, "index": True, "similarity": "cosine"}
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    return {"type": "knn_vector", "dimension": size, "method": method}


def _quoted(key: str) -> str:
    return quote(key, safe="")
