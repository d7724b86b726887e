"""Memory that this process and those that it spawns see both."""

import functools
import mmap
import os
import tempfile
import weakref
from multiprocessing.reduction import DupFd
from typing import Any, Self

import numpy as np
import numpy.typing as npt


class SharedArray:
    """An array of zeros that goes to a spawned process as an argument, and is the same memory
    there.

    `multiprocessing` has arrays of this kind too, and keeps them in a file: it needs a folder for
    that, and where the disk of that folder fills up, whoever writes to the array dies of it.
    """

    def __init__(self, length: int, dtype: npt.DTypeLike) -> None:
        self._length = length
        self._dtype = np.dtype(dtype)
        self._own(_unnamed_file())
        os.ftruncate(self._descriptor, self._size)

    @property
    def _size(self) -> int:
        return max(1, self._length * self._dtype.itemsize)  # nothing at all cannot be mapped

    def _own(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    @functools.cached_property
    def values(self) -> npt.NDArray[Any]:
        """Return the array itself; it is mapped when first asked for, where a failure can be
        told."""
        return np.frombuffer(mmap.mmap(self._descriptor, self._size), self._dtype, self._length)

    def __getstate__(self) -> tuple[int, np.dtype[Any], Any]:
        return self._length, self._dtype, DupFd(self._descriptor)

    def __setstate__(self, state: tuple[int, np.dtype[Any], Any]) -> None:
        self._length, self._dtype, descriptor = state
        self._own(descriptor.detach())

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
