"""The server of the small search page: it asks Typesense, and shows pictures of the catalog.

All below a token, as the review page: GET / is the page, /page/NAME its files, /api/search a
question, /picture/CONTENT?id= a picture.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tagger.review.pictures import NotShown, Pictures
from tagger.review.security import Gate
from tagger.review.static import read_page

TITLE = "Search the drawn catalog"
_HITS = 48
_FACETS = 30

Search = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""Several questions to Typesense; returns their results."""


class SearchServer:
    """Answers the page.

    Parameters
    ----------
    search : Search
    facets : sequence of str
        The fields that narrow a search down.
    contents : mapping of str to str
        Path of each picture to the digest of its bytes.
    catalog : str
        Path of its folder.
    """

    def __init__(
        self, search: Search, facets: Sequence[str], contents: Mapping[str, str], catalog: str
    ) -> None:
        self._search = search
        self._facets = list(facets)
        self._contents = contents
        self._pictures = Pictures(catalog)
        self._page = read_page(TITLE, files("jobs") / "search_page")

    def application(self, token: str, port: int) -> Gate:
        """Return the ASGI application, behind its gate."""
        routes = [
            Route("/", self.page),
            Route("/page/{name}", self.file),
            Route("/api/search", self.search),
            Route("/picture/{content}", self.picture),
        ]
        return Gate(Starlette(routes=routes), token, port)

    def close(self) -> None:
        """End threads and processes."""
        self._pictures.close()

    async def page(self, _: Request) -> Response:
        """Return the page."""
        return Response(self._page.shell, media_type="text/html")

    async def file(self, request: Request) -> Response:
        """Return a file of the page."""
        found = self._page.files.get(request.path_params["name"])
        if found is None:
            return _error(HTTPStatus.NOT_FOUND, "there is nothing at this address")
        return Response(found.content, media_type=found.kind)

    async def search(self, request: Request) -> Response:
        """Return what is found, and how many there are of each choice."""
        chosen = {name: request.query_params.getlist(name) for name in self._facets}
        like = request.query_params.get("like", "")
        words = request.query_params.get("words", "")
        if not all(sign in "0123456789abcdef" for sign in like):
            return _error(HTTPStatus.BAD_REQUEST, "no such picture")
        asked = questions(words, chosen, like, self._facets)
        results = await asyncio.get_running_loop().run_in_executor(None, self._search, asked)
        failed = next((one["error"] for one in results if "error" in one), None)
        if failed is not None:
            return _error(HTTPStatus.BAD_GATEWAY, f"the search engine says: {failed}")
        return JSONResponse(self._answer(results, alike=like != ""))

    async def picture(self, request: Request) -> Response:
        """Return a picture as JPEG."""
        image_id = request.query_params.get("id", "")
        content = request.path_params["content"]
        if self._contents.get(image_id) != content:
            return _error(HTTPStatus.NOT_FOUND, "no such picture")
        drawn: Future[bytes] = self._pictures.jpeg(image_id, content, 256)
        try:
            return Response(await asyncio.wrap_future(drawn), media_type="image/jpeg")
        except NotShown as error:
            return _error(error.code, str(error))

    def _answer(self, results: list[dict[str, Any]], *, alike: bool) -> dict[str, Any]:
        whole, *others = results
        hits = [hit["document"] for hit in whole["hits"]]
        return {
            "found": len(hits) if alike else whole["found"],  # everything is alike, more or less
            "hits": [self._hit(document) for document in hits],
            "facets": [_facet(one) for one in others],
        }

    def _hit(self, document: dict[str, Any]) -> dict[str, Any]:
        path = document["path"]
        return {
            "id": document["id"],
            "answers": document.get("tags", []),
            "picture": f"picture/{self._contents.get(path)}?id={quote(path, safe='')}",
        }


def questions(
    words: str, chosen: Mapping[str, Sequence[str]], like: str, facets: Sequence[str]
) -> list[dict[str, Any]]:
    """Return what Typesense is asked: what is found, then each facet without its own choice.

    So other choices of it can still be seen.

    Parameters
    ----------
    chosen : mapping of str to sequence of str
        Field to the values that are wanted.
    like : str
        The id of a document, or empty.
    """
    asked: dict[str, Any] = {"collection": "images", "q": words or "*", "query_by": "words"}
    if like:
        asked = {"collection": "images", "q": "*"}
        asked["vector_query"] = f"vector:([], id: {like}, k: {_HITS})"
    else:
        asked["sort_by"] = "first_seen:desc" if words == "" else "_text_match:desc"
    found = asked | {"per_page": _HITS, "exclude_fields": "vector"}
    found |= _filter(chosen)
    counts = []
    for field in facets:
        others = {name: values for name, values in chosen.items() if name != field}
        count = {"facet_by": field, "per_page": 0, "max_facet_values": _FACETS}
        counts.append(asked | count | _filter(others))
    return [found, *counts]


def _filter(chosen: Mapping[str, Sequence[str]]) -> dict[str, str]:
    parts = []
    for name, values in chosen.items():
        if values:
            quoted = ",".join(f"`{value.replace('`', '')}`" for value in values)
            parts.append(f"{name}:=[{quoted}]")
    return {"filter_by": " && ".join(parts)} if parts else {}


def _facet(result: dict[str, Any]) -> dict[str, Any]:
    (one,) = result["facet_counts"]
    values = [{"value": each["value"], "count": each["count"]} for each in one["counts"]]
    return {"field": one["field_name"], "values": values}


def _error(status: int, words: str) -> Response:
    return JSONResponse({"error": words}, status)
