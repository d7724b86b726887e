"""The server of a review: which address does what.

All below the token, see `tagger.review.security`:

==========================  =====================================================================
GET  /                      the page
GET  /page/NAME             a file of the page
GET  /api/night             `NightNow`
POST /api/night?open=newer  read the newest night, then look at it: `NightNow`
POST /api/find              `Find` to `Found`
GET  /api/picture?id=       `PictureDetail`
GET  /api/like?id=          its look-alikes: a list of `Picture`
POST /api/ids               `WhichIds` to a list of [image_id, content]
POST /api/say               `SaidAtOnce` to `Kept`; 409 if somebody else spoke meanwhile
GET  /api/sample            `SampleNow`
GET  /picture/CONTENT       ?id=&side=256|1024: JPEG; 409 if the file has other bytes by now
==========================  =====================================================================

What goes wrong is {"error": words}, with a fitting code.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schemas.review import Find, SaidAtOnce, WhichIds
from tagger.errors import InputError, MachineFault, StoreError, TaggerError
from tagger.review.desk import Desk
from tagger.review.look_alikes import LookAlikes
from tagger.review.pictures import SIDES, NotShown, Pictures
from tagger.review.requests import body_of, image_id_of, json_answer
from tagger.review.security import Gate, error, failed
from tagger.review.static import PageFiles

Answer = TypeVar("Answer")
_FOR_EVER = "private, max-age=31536000, immutable"
"""A picture's address names its bytes."""
_WORDS = {
    HTTPStatus.NOT_FOUND.phrase: "there is nothing at this address",
    HTTPStatus.METHOD_NOT_ALLOWED.phrase: "this address does not take such a request",
}
"""In place of what the library says."""


class ReviewServer:
    """Answers the page, one night at a time.

    The desk is used by one thread, so that what one request checks no other changes meanwhile.
    Reading a newer night and looking for look-alikes, which take longer, have another thread.

    Parameters
    ----------
    desk : Desk
    page : PageFiles
    """

    def __init__(self, desk: Desk, page: PageFiles) -> None:
        self._desk = desk
        self._page = page
        self._at_desk = ThreadPoolExecutor(1, thread_name_prefix="desk")
        self._beside_it = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._look_alikes = LookAlikes(desk.index)
        self._pictures = Pictures(desk.night.snapshot.manifest.catalog)

    def application(self, token: str, port: int) -> Gate:
        """Return the ASGI application, behind its gate."""
        routes = [
            Route("/", self.page),
            Route("/page/{name}", self.file),
            Route("/api/night", self.night),
            Route("/api/night", self.open, methods=["POST"]),
            Route("/api/find", self.find, methods=["POST"]),
            Route("/api/picture", self.detail),
            Route("/api/like", self.like),
            Route("/api/ids", self.ids, methods=["POST"]),
            Route("/api/say", self.say, methods=["POST"]),
            Route("/api/sample", self.sample),
            Route("/picture/{content}", self.picture),
        ]
        handlers = {HTTPException: _http_error, TaggerError: _tagger_error, Exception: _fault}
        application = Starlette(routes=routes, exception_handlers=handlers)
        application.router.redirect_slashes = False  # an address that is not one of these is none
        return Gate(application, token, port)

    def close(self) -> None:
        """End threads and processes."""
        for threads in (self._at_desk, self._beside_it):
            threads.shutdown(wait=False, cancel_futures=True)
        self._pictures.close()

    async def _ask(self, work: Callable[..., Answer], *arguments: object) -> Answer:
        """Return what the desk answers."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._at_desk, work, *arguments)

    async def _aside(self, work: Callable[..., Answer], *arguments: object) -> Answer:
        """Return what takes longer, while the desk goes on answering."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._beside_it, work, *arguments)

    async def page(self, _: Request) -> Response:
        """Answer the page itself."""
        return Response(self._page.shell, media_type="text/html")

    async def file(self, request: Request) -> Response:
        """Answer a file of the page."""
        found = self._page.files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the page has no such file")
        return Response(found.content, media_type=found.kind)

    async def night(self, _: Request) -> Response:
        """Answer what is being looked at."""
        return json_answer(await self._ask(self._desk.now))

    async def open(self, request: Request) -> Response:
        """Look at the newest night, if it is another one than this."""
        if request.query_params.get("open") != "newer":
            raise HTTPException(HTTPStatus.BAD_REQUEST, "name what to open: ?open=newer")
        night = await self._aside(self._desk.read_newer)
        if night is not None:
            await self._ask(self._desk.open, night)
            self._look_alikes = LookAlikes(self._desk.index)
            self._pictures.move_to(night.snapshot.manifest.catalog)
        return json_answer(await self._ask(self._desk.now))

    async def find(self, request: Request) -> Response:
        """Answer some of the pictures that are wanted."""
        asked = await body_of(request, Find)
        return json_answer(
            await self._ask(self._desk.find, asked.wanted, asked.offset, asked.limit)
        )

    async def ids(self, request: Request) -> Response:
        """Answer which pictures are wanted, by name and content."""
        asked = await body_of(request, WhichIds)
        return json_answer(await self._ask(self._desk.ids, asked.wanted, asked.most))

    async def detail(self, request: Request) -> Response:
        """Answer all that is known of a picture."""
        image_id = image_id_of(request)
        with _not_found():
            return json_answer(await self._ask(self._desk.detail, image_id))

    async def like(self, request: Request) -> Response:
        """Answer the pictures that look most like one."""
        image_id = image_id_of(request)
        with _not_found():
            night, content = await self._ask(self._desk.place_of, image_id)
            names = await self._aside(self._look_alikes.like, night.snapshot, content)
        return json_answer(await self._ask(self._desk.pictures, night, names))

    async def sample(self, _: Request) -> Response:
        """Answer what the sample says by now."""
        sample = await self._ask(self._desk.sample_now)
        if sample is None:
            words = "nobody asked for a sample: start with 'tagger review --sample 200'"
            raise HTTPException(HTTPStatus.NOT_FOUND, words)
        return json_answer(sample)

    async def say(self, request: Request) -> Response:
        """Keep what a person said."""
        said = await body_of(request, SaidAtOnce)
        kept = await self._ask(self._desk.say, said)
        return json_answer(kept, HTTPStatus.CONFLICT if kept.conflicts else HTTPStatus.OK)

    async def picture(self, request: Request) -> Response:
        """Answer a picture, if its file still has the bytes that the address names."""
        image_id = image_id_of(request)
        content = request.path_params["content"]
        sides = {str(side): side for side in SIDES}
        side = sides.get(request.query_params.get("side", ""))
        if side is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"side is one of {', '.join(sides)}")
        if await self._ask(self._desk.content_of, image_id) != content:
            raise HTTPException(HTTPStatus.NOT_FOUND, "this night has no such picture")
        encoded = await asyncio.wrap_future(self._pictures.jpeg(image_id, content, side))
        headers = {"Cache-Control": _FOR_EVER}
        return Response(encoded, media_type="image/jpeg", headers=headers)


@contextmanager
def _not_found() -> Iterator[None]:
    """Answer 404 where something that an address names is not there."""
    try:
        yield
    except InputError as missing:
        raise HTTPException(HTTPStatus.NOT_FOUND, str(missing)) from missing


async def _http_error(_: Request, problem: Exception) -> Response:
    if not isinstance(problem, HTTPException):
        return failed()
    words = _WORDS.get(problem.detail, problem.detail)
    return error(problem.status_code, words)


async def _fault(_: Request, _error: Exception) -> Response:
    return failed()


async def _tagger_error(_: Request, problem: Exception) -> Response:
    """Answer in the words of the error, which are for whoever looks at the page."""
    return error(_code_of(problem), str(problem))


def _code_of(problem: Exception) -> HTTPStatus:
    if isinstance(problem, NotShown):
        return problem.code
    if isinstance(problem, MachineFault):
        return HTTPStatus.INSUFFICIENT_STORAGE
    if isinstance(problem, StoreError):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(problem, InputError):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.INTERNAL_SERVER_ERROR
