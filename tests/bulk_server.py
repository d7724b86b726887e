"""A small server of the tests' own that speaks the part of the protocol of Elasticsearch and
OpenSearch that a sync uses. It is neither: no such server can be installed here. It holds requests
to the published specifications: bulk bodies and their answers item by item, mappings by type,
aliases that move at once, documents created once, scrolling."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

_TYPES = {
    "elasticsearch": {"keyword", "text", "float", "date", "dense_vector"},
    "opensearch": {"keyword", "text", "float", "date", "knn_vector"},
}
Product = Literal["elasticsearch", "opensearch"]


@dataclass
class Index:
    """An index: its mapping, and its documents by id."""

    properties: dict[str, dict[str, Any]]
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class BulkServer:
    """What the server has, and what it is to do wrong.

    Attributes
    ----------
    key : str or None
        The Authorization that it wants.
    refuse_next : list of int
        Statuses that the next bulk requests are answered with.
    busy_items : int
        So many of the next items are answered with 429.
    most_bytes : int
        A bulk body that is larger is answered with 413.
    poison : str
        Documents whose JSON has this text in it are refused.
    """

    product: Product
    number: str
    port: int = 0
    key: str | None = None
    refuse_next: list[int] = field(default_factory=list)
    busy_items: int = 0
    most_bytes: int = 100_000_000
    poison: str = ""
    indices: dict[str, Index] = field(default_factory=dict)
    aliases: dict[str, set[str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    scrolls: dict[str, list[Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return status and JSON of one request."""
        self.requests.append(f"{method} {path}")
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/") if part]
        if not parts:
            return 200, {"version": self._version(), "tagline": "You Know, for Search"}
        match method, parts:
            case "POST", ["_bulk"]:
                return self._bulk(body)
            case "POST", ["_aliases"]:
                return self._move(json.loads(body)["actions"])
            case "GET", ["_alias", alias]:
                found = self.aliases.get(alias)
                return (200, {n: {"aliases": {alias: {}}} for n in found}) if found else _missing()
            case "POST", ["_search", "scroll"]:
                return self._scroll(json.loads(body)["scroll_id"])
            case "DELETE", ["_search", "scroll"]:
                self.scrolls.pop(json.loads(body)["scroll_id"], None)
                return 200, {"succeeded": True}
            case "PUT", [name]:
                return self._make(name, json.loads(body))
            case _, [name, *rest]:
                return self._of_index(method, name, rest, body)
        raise AssertionError(path)

    def _of_index(self, method: str, name: str, rest: list[str], body: bytes) -> tuple[int, Any]:
        names = self.aliases.get(name) or {name}
        if method == "GET" and not rest:
            found = {one: {} for one in names if one in self.indices}
            return (200, found) if found else _missing()
        if method == "PUT" and rest[0] in ("_doc", "_create") and name not in self.indices:
            self.indices[name] = Index({})
        if not names <= set(self.indices):
            return _missing()
        index = self.indices[next(iter(names))]
        match method, rest:
            case "DELETE", []:
                del self.indices[name]
                return 200, {"acknowledged": True}
            case "GET", ["_mapping"]:
                mapping = {"mappings": {"properties": index.properties}}
                return 200, dict.fromkeys(names, mapping)
            case "PUT", ["_create", one] if one in index.documents:
                return 409, _error("version_conflict_engine_exception", "it is there")
            case "PUT", [("_create" | "_doc"), one]:
                index.documents[one] = json.loads(body)
                return 201, {"result": "created"}
            case "GET", ["_doc", one]:
                found = index.documents.get(one)
                return (200, {"_source": found}) if found else (404, {"found": False})
            case "DELETE", ["_doc", one]:
                there = index.documents.pop(one, None)
                return (200 if there else 404), {"result": "deleted" if there else "not_found"}
            case "POST", ["_refresh"]:
                return 200, {"_shards": {"failed": 0}}
            case "GET", ["_count"]:
                return 200, {"count": len(index.documents)}
            case "POST", ["_search"]:
                question = json.loads(body)
                hits = [
                    {"_source": {name: doc.get(name) for name in question["_source"]}}
                    for doc in index.documents.values()
                ]
                size = question["size"]
                pages = [hits[at : at + size] for at in range(0, len(hits), size)]
                self.scrolls["a scroll"] = pages
                return self._scroll("a scroll")
        raise AssertionError((method, name, rest))

    def _version(self) -> dict[str, str]:
        more = {"distribution": "opensearch"} if self.product == "opensearch" else {}
        return {"number": self.number, "build_flavor": "default", **more}

    def _make(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        assert name == name.lower(), "an index has a name in lower case"
        if name in self.indices:
            return 400, _error("resource_already_exists_exception", "it is there")
        properties = body["mappings"]["properties"]
        limit = body.get("settings", {}).get("index", {}).get("mapping.total_fields.limit", 1000)
        assert len(properties) <= limit
        for field_name, facts in properties.items():
            if facts["type"] not in _TYPES[self.product]:
                reason = f"No handler for type [{facts['type']}] declared on field [{field_name}]"
                return 400, _error("mapper_parsing_exception", reason)
        self.indices[name] = Index(properties)
        return 200, {"acknowledged": True}

    def _move(self, actions: list[dict[str, dict[str, str]]]) -> tuple[int, Any]:
        for action in actions:
            ((_, facts),) = action.items()
            if facts["index"] not in self.indices:
                return _missing()
        for action in actions:
            ((what, facts),) = action.items()
            names = self.aliases.setdefault(facts["alias"], set())
            (names.add if what == "add" else names.discard)(facts["index"])
        return 200, {"acknowledged": True}

    def _scroll(self, scroll: str) -> tuple[int, Any]:
        pages = self.scrolls[scroll]
        hits = pages.pop(0) if pages else []
        return 200, {"_scroll_id": scroll, "hits": {"hits": hits}}

    def _bulk(self, body: bytes) -> tuple[int, Any]:
        if self.refuse_next:
            status = self.refuse_next.pop(0)
            return status, _error("es_rejected_execution_exception", "too many requests")
        if len(body) > self.most_bytes:
            return 413, _error("request_too_large", "Request size exceeded")
        assert body.endswith(b"\n"), "a bulk body ends with a new line"
        lines = iter(body.splitlines())
        items = [self._item(json.loads(line), lines) for line in lines]
        errors = any(next(iter(item.values()))["status"] >= 300 for item in items)
        return 200, {"took": 1, "errors": errors, "items": items}

    def _item(self, action: dict[str, Any], lines: Iterator[bytes]) -> dict[str, Any]:
        ((what, facts),) = action.items()
        index = self.indices[facts["_index"]]
        one = facts["_id"]
        assert len(one.encode()) <= 512
        result = {"_index": facts["_index"], "_id": one}
        line = next(lines) if what == "index" else b""
        if self.busy_items:
            self.busy_items -= 1
            return {what: result | {"status": 429} | _error("es_rejected", "queue is full")}
        if what == "delete":
            there = index.documents.pop(one, None)
            return {what: result | {"status": 200 if there else 404}}
        document = json.loads(line)
        why = "poisoned" if self.poison and self.poison in line.decode() else ""
        why = why or _why_not(document, index.properties)
        if why:
            return {what: result | {"status": 400} | _error("document_parsing_exception", why)}
        index.documents[one] = document
        return {what: result | {"status": 201}}


def _why_not(document: dict[str, Any], properties: dict[str, dict[str, Any]]) -> str:
    """Return why a mapping does not take a document; empty if it does."""
    for name, value in document.items():
        facts = properties[name]
        kind = facts["type"]
        if kind.endswith("_vector"):
            good = len(value) == facts.get("dims", facts.get("dimension")) and any(value)
        elif kind == "float":
            good = isinstance(value, float | int)
        elif kind == "date":
            good = isinstance(value, int) and facts["format"] == "epoch_second"
        else:
            each = value if isinstance(value, list) else [value]
            good = all(isinstance(one, str) for one in each)
        if not good:
            return f"failed to parse field [{name}] of type [{kind}]"
    return ""


def _error(kind: str, reason: str) -> dict[str, Any]:
    return {"error": {"type": kind, "reason": reason}}


def _missing() -> tuple[int, Any]:
    return 404, _error("index_not_found_exception", "no such index")


@contextmanager
def bulk_server(product: Product, number: str) -> Iterator[BulkServer]:
    """Run such a server until the end."""
    server = BulkServer(product, number)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # one packet an answer: two wait for each other

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            wanted = server.key
            with server.lock:
                if wanted is not None and self.headers.get("authorization") != wanted:
                    status, answer = 401, _error("security_exception", "missing credentials")
                else:
                    status, answer = server.answer(self.command, self.path, body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            kind = "application/json"
            if server.product == "elasticsearch":
                self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
