"""Arrays in a file of a bundle, which may come from a stranger."""

import math
import zipfile
from pathlib import Path

import numpy as np

from tagger.arrays import Float32Array

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    NotImplementedError,
    zipfile.BadZipFile,
)
"""What is raised where a file is damaged, or its arrays are not those that are wanted."""


def read_arrays(path: Path) -> dict[str, Float32Array]:
    """Return the arrays of an .npz file by name, as float32, sorted by name.

    Raises
    ------
    One of `UNREADABLE`
        If it is no such file. No more memory is taken than the file is long.
    """
    _check_sizes(path)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name], np.float32) for name in sorted(arrays.files)}


def _check_sizes(path: Path) -> None:
    """Raise ValueError unless each array is as large as it says, before memory is taken for it.

    A few bytes, squeezed or merely announced, could ask for all the memory there is.
    """
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename} is compressed")
            with archive.open(entry) as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                announced = math.prod(shape) * dtype.itemsize
                if announced != entry.file_size - file.tell():
                    raise ValueError(f"{entry.filename} is not as large as it says")
