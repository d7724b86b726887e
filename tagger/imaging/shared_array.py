"""Memory that this process and its decode workers see both."""

import functools
import mmap
import os
import tempfile
import weakref
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class SharedArray:
    """An array of zeros; a process that inherits its descriptor sees the same memory.

    `multiprocessing` has arrays of this kind too, and keeps them in a file: it needs a folder for
    that, and where the disk of that folder fills up, whoever writes to the array dies of it.

    Parameters
    ----------
    length : int
    dtype : dtype
    descriptor : int, optional
        Of memory that another process has made; by default new memory.

    Attributes
    ----------
    descriptor : int
        Of the memory; closed when the array goes.
    """

    def __init__(self, length: int, dtype: npt.DTypeLike, *, descriptor: int | None = None) -> None:
        self._length = length
        self._dtype = np.dtype(dtype)
        self.descriptor = _unnamed_file() if descriptor is None else descriptor
        weakref.finalize(self, os.close, self.descriptor)
        if descriptor is None:
            os.ftruncate(self.descriptor, self._size)

    @property
    def _size(self) -> int:
        return max(1, self._length * self._dtype.itemsize)  # nothing at all cannot be mapped

    @functools.cached_property
    def values(self) -> npt.NDArray[Any]:
        """Return the array itself; it is mapped when first asked for, where a failure can be
        told."""
        return np.frombuffer(mmap.mmap(self.descriptor, self._size), self._dtype, self._length)

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Self:
        """Return a shared copy of an array, made flat."""
        array = cls(values.size, values.dtype)
        array.values[:] = values.ravel()
        return array


def _unnamed_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tagger", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # not Linux
        return os.dup(file.fileno())
