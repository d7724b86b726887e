"""Pictures for the page: decoded in processes that may die, and encoded anew; never a file as it
is."""

import os
import queue
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from threading import Lock
from typing import Literal

from tagger.arrays import Pixels
from tagger.catalog import absolute_path
from tagger.cpus import usable_cpus
from tagger.errors import MachineFault, TaggerError
from tagger.imaging.decoder import Decoder
from tagger.imaging.file_facts import FileFacts
from tagger.imaging.preprocessing import Reading
from tagger.imaging.previews import hindrance, preview

Side = Literal[256, 1024]
SIDES: tuple[Side, ...] = (256, 1024)
"""The longer side of a picture in the grid, and large."""

_QUALITY = {256: 82, 1024: 90}
_KEPT_BYTES = 64 * 1024 * 1024
_TIMEOUT = 10.0
"""Seconds one picture may take; nobody waits longer for one."""


class NotShown(TaggerError):
    """A picture that cannot be shown.

    Attributes
    ----------
    code : HTTPStatus
        What the page is answered.
    """

    def __init__(self, code: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.code = code


class Pictures:
    """The pictures of a catalog, as JPEG of two sizes.

    Parameters
    ----------
    catalog : str
        Path of its folder; no link leads out of it.
    """

    def __init__(self, catalog: str) -> None:
        self._catalog = catalog
        self._kept = _Kept(_KEPT_BYTES)
        self._benches = _benches(catalog)

    def move_to(self, catalog: str) -> None:
        """Read pictures from here from now on, if it is another place."""
        if catalog != self._catalog:
            before = self._benches
            self._catalog = catalog
            self._benches = _benches(catalog)
            _close(before)

    def jpeg(self, image_id: str, content: str, side: Side) -> "Future[bytes]":
        """Return the picture, which may wait for others to be decoded.

        Its future raises `NotShown` unless the file's bytes are those of `content`, a digest.
        """
        kept = self._kept.get((content, side))
        if kept is not None:
            done: Future[bytes] = Future()
            done.set_result(kept)
            return done
        bench = self._benches[side]
        return bench.threads.submit(self._draw, bench, image_id, content, side)

    def _draw(self, bench: "_Bench", image_id: str, content: str, side: Side) -> bytes:
        facts, pixels = bench.decode(image_id)
        _check(facts, content)
        encoded, _, _ = preview(pixels, facts, _QUALITY[side])
        self._kept.put((content, side), encoded)
        return encoded

    def close(self) -> None:
        """End all workers, at once; what waits is not decoded any more."""
        _close(self._benches)


def _benches(catalog: str) -> dict[Side, "_Bench"]:
    """Return what decodes pictures of each size: several at once for the grid, one large."""
    workers = max(1, min(4, usable_cpus()))
    return {side: _Bench(catalog, side, workers if side == SIDES[0] else 1) for side in SIDES}


def _close(benches: "Mapping[Side, _Bench]") -> None:
    for bench in benches.values():
        bench.close()


class _Bench:
    """Threads with a decode process each: as many pictures of a size at once as it has threads.

    One picture that takes long, or kills its process, keeps one of them busy.
    """

    def __init__(self, catalog: str, side: int, workers: int) -> None:
        self._catalog = os.path.realpath(catalog)
        self._reading = Reading(side)
        self._idle: queue.SimpleQueue[Decoder | None] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(self._decoder())
        self.threads = ThreadPoolExecutor(workers, thread_name_prefix="pictures")

    def _decoder(self) -> Decoder:
        return Decoder(self._reading, workers=1, timeout=_TIMEOUT, inside=self._catalog)

    def decode(self, image_id: str) -> tuple[FileFacts, Pixels]:
        """Return the facts of a file, and its pixels, uint8 (side, side, 3) RGB."""
        path = absolute_path(self._catalog, image_id)
        decoder = self._idle.get()
        try:
            decoder = decoder or self._decoder()
            (chunk,) = decoder.decode([(None, [path])])
        except MachineFault as error:
            if decoder is not None:
                decoder.close()
            decoder = None  # the next picture begins with a new one
            raise NotShown(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        finally:
            self._idle.put(decoder)
        return chunk.facts[0], chunk.pixels[0]

    def close(self) -> None:
        """End the processes."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        while not self._idle.empty():
            if (decoder := self._idle.get()) is not None:
                decoder.close()


class _Kept:
    """Encoded pictures that were asked for last, up to some bytes in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._lock = Lock()
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def get(self, key: tuple[str, int]) -> bytes | None:
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
            return self._pictures.get(key)

    def put(self, key: tuple[str, int], picture: bytes) -> None:
        with self._lock:
            self._bytes += len(picture) - len(self._pictures.pop(key, b""))
            self._pictures[key] = picture
            while self._bytes > self._most:
                _, oldest = self._pictures.popitem(last=False)
                self._bytes -= len(oldest)


def _check(facts: FileFacts, content: str) -> None:
    """Raise NotShown unless a file was decoded, and has the bytes that the night saw."""
    match hindrance(facts, content):
        case "gone":
            raise NotShown(HTTPStatus.NOT_FOUND, "gone: the file is not in the catalog any more")
        case "lacking":
            raise NotShown(HTTPStatus.SERVICE_UNAVAILABLE, f"not now: {facts.error}")
        case "changed":
            raise NotShown(
                HTTPStatus.CONFLICT,
                "changed since the night: the file has other bytes now; the next night reads them",
            )
        case "failed":
            words = facts.status if facts.error is None else f"{facts.status}: {facts.error}"
            raise NotShown(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
