"""What C libraries print while they decode: some of them say that a picture is damaged in no other
way."""

import functools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def decoder_messages() -> Iterator[bytearray]:
    """Collect what is printed to standard error meanwhile.

    libjpeg paints the rest of a cut picture grey and only *says* "premature end of data segment"
    when the file has an end mark; OpenCV passes the half picture on. Its return value cannot tell,
    so its words must.

    Raises
    ------
    OSError
        If the process has no file handle left.
    """
    messages = bytearray()
    log = _log()
    saved = os.dup(2)
    os.dup2(log, 2)
    try:
        yield messages
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        if os.lseek(log, 0, os.SEEK_CUR):
            messages += os.pread(log, 65_536, 0)
            os.ftruncate(log, 0)
            os.lseek(log, 0, os.SEEK_SET)


@functools.cache
def _log() -> int:
    """Return the descriptor of a file that only this process sees: in memory, since a disk may be
    full or read-only."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("tagger-decoder")
    descriptor, path = tempfile.mkstemp(prefix="tagger-decoder-")  # not Linux
    os.unlink(path)
    return descriptor
