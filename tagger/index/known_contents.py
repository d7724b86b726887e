"""Which contents have scores: 16 bytes each, in memory, or in a mapped file where they are many."""

from collections.abc import Iterable
from contextlib import ExitStack

import numpy as np

from tagger.digests import DigestKeys, sorted_keys
from tagger.index.spill import Spill

_PIECES = 64


def sorted_contents(blocks: Iterable[DigestKeys], spill: Spill) -> DigestKeys:
    """Return the keys of all blocks, sorted as `tagger.digests.sorted_keys` does it.

    Of more than `spill.held` the pages are the file's, and the system may take them back: what is
    held meanwhile is a block, and a piece of a sixty-fourth.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    held = [np.zeros((0, 2), np.uint64)]
    found = 0
    rest = iter(blocks)
    for block in rest:
        held.append(block)
        found += len(block)
        if found > spill.held:
            return _mapped(held, rest, spill)
    return sorted_keys(np.concatenate(held))


def _mapped(held: Iterable[DigestKeys], rest: Iterable[DigestKeys], spill: Spill) -> DigestKeys:
    pieces = [spill.path(f"contents-{piece}") for piece in range(_PIECES)]
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "wb")) for path in pieces]
        for blocks in (held, rest):
            for block in blocks:
                first = block[:, 0] // np.uint64(2**64 // _PIECES)
                for piece in np.unique(first).tolist():
                    files[piece].write(block[first == piece].tobytes())
    path = spill.path("contents")
    with open(path, "wb") as file:
        for piece in pieces:  # in order: a key's first bits say which piece it is in
            keys = np.fromfile(piece, np.uint64).reshape(-1, 2)
            file.write(sorted_keys(keys).tobytes())
            piece.unlink()
    return np.asarray(np.memmap(path, np.uint64, "r")).reshape(-1, 2)
