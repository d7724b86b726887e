"""A fashion-catalog tagger: train a multi-label network, tag a catalog every night, query Parquet.

Two functions are the front door: `load` gives a model to tag pictures with, and `open_index` the
tables of the night that a catalog's index shows. Importing this loads neither the network's library
nor pandas; they come when they are needed.
"""

from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from tagger.errors import TaggerError

if TYPE_CHECKING:
    from tagger.front_door.model import Model
    from tagger.front_door.open_index import OpenIndex

__all__ = ["Model", "OpenIndex", "TaggerError", "__version__", "load", "open_index"]

__version__ = "0.1.0"


def load(
    path: "str | PathLike[str] | None" = None,
    *,
    backend: Literal["auto", "openvino", "keras"] = "auto",
) -> "Model":
    """Return the model in a folder, ready to tag pictures.

    Parameters
    ----------
    path : path, optional
        A bundle's folder, or `models/current`; by default the model that comes with the package.
    backend : str
        `auto` is OpenVINO, in int8 or bfloat16 where a comparison allowed it; `openvino`
        computes in float32; `keras` is the slow reference, and needs TensorFlow.

    Raises
    ------
    TaggerError
        If there is no readable model, or this machine cannot run it.

    Examples
    --------
    >>> import tagger
    >>> model = tagger.load("models/current")
    >>> model.predict("dress.jpg")[["status", "color", "type"]]
      status color   type
    0     ok  blue  dress
    """
    from tagger.front_door.model import Model

    return Model(path, backend=backend)


def open_index(path: "str | PathLike[str]") -> "OpenIndex":
    """Return the tables of an index, of the night that is current; later nights change nothing.

    Parameters
    ----------
    path : path
        A folder that the nightly job writes.

    Raises
    ------
    TaggerError
        If there is no index, or it has no night yet, or it is damaged.

    Examples
    --------
    >>> import tagger
    >>> night = tagger.open_index("index")
    >>> night.table(columns=["image_id", "color"], filters=[("type", "=", "pants")])
             image_id  color
    0  jeans/0002.jpg  green
    1  jeans/0003.jpg    red
    """
    from tagger.front_door.open_index import OpenIndex

    return OpenIndex(path)


def __getattr__(name: str) -> Any:
    """Import the classes when they are first asked for."""
    if name == "Model":
        from tagger.front_door.model import Model

        return Model
    if name == "OpenIndex":
        from tagger.front_door.open_index import OpenIndex

        return OpenIndex
    raise AttributeError(f"module 'tagger' has no attribute {name!r}")
