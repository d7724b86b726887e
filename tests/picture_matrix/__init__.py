"""Pictures in every kind of file that a catalog may hold, made here, with what each one shows.

Format x depth x channels x alpha x planar, progressive or interlaced x orientation x color profile.
"""

from collections.abc import Iterator

from picture_matrix.drawing import Made
from picture_matrix.jpeg import jpegs
from picture_matrix.other import bitmaps, gifs, modern, webps
from picture_matrix.png import pngs
from picture_matrix.tiff import tiffs
from picture_matrix.turned import profiled, turned


def everything() -> Iterator[Made]:
    """Yield the whole matrix."""
    yield from jpegs()
    yield from pngs()
    yield from tiffs()
    yield from webps()
    yield from modern()
    yield from bitmaps()
    yield from gifs()
    yield from turned()
    yield from profiled()
