"""The catalog: which files are pictures, what they are called, and when they last changed. Opens no file."""

import errno
import fnmatch
import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tagger.errors import InputError, Refused

EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .gif .tif .tiff .avif .heic .heif .jp2".split()  # noqa: SIM905 - a table
)

_ENDINGS = frozenset(extension.encode() for extension in EXTENSIONS)
_DOT = ord(".")

SKIPPED = {
    "hidden": "names that begin with a dot, folders with all they hold counted once",
    "not_a_picture": "other file names",
    "folder_link": "links to folders, never followed",
    "link_outside": "links to files outside the catalog",
    "broken_link": "links to nothing, or to themselves",
    "special": "pipes, sockets and devices, never opened",
    "excluded": "matched by --exclude",
}


class CatalogImage(NamedTuple):
    """A picture found by the walk, and the fingerprint the plan compares."""

    image_id: str
    size: int
    mtime_ns: int


class Found(NamedTuple):
    """The pictures directly in one folder: ids as UTF-8, sizes in bytes, modification times in ns."""

    ids: list[bytes]
    sizes: list[int]
    times: list[int]


class Walk:
    """Iterate over the pictures below `root`, in no particular order; count in `skipped` what is no picture.

    What is deleted or renamed meanwhile is there or not, but never stops the walk.

    Raises
    ------
    InputError
        If `root` is no folder.
    Refused
        If a folder cannot be listed, or `root` itself goes away: it is never read as empty.
    """

    def __init__(self, root: str | os.PathLike[str], *, exclude: Sequence[str] = ()) -> None:
        self.root = os.path.realpath(root)
        self.skipped: Counter[str] = Counter()
        self._exclude = [re.compile(fnmatch.translate(pattern)) for pattern in exclude]
        if not os.path.isdir(self.root):
            kind = "it is a file" if os.path.exists(self.root) else "there is no such folder"
            raise InputError(f"catalog {os.fspath(root)!r}: {kind}; name the folder that holds the pictures")
        self._identity = self._look_at_root()

    def __iter__(self) -> Iterator[CatalogImage]:
        for found in self.by_folder():
            for name, size, mtime_ns in zip(*found, strict=True):
                yield CatalogImage(name.decode(), size, mtime_ns)

    def by_folder(self) -> Iterator[Found]:
        """Yield the pictures directly in each folder."""
        base = os.fsencode(self.root)
        folders = [(base, b"")]
        while folders:
            folder, prefix = folders.pop()
            found = Found([], [], [])
            try:
                with os.scandir(folder) as entries:
                    self._look_at(entries, prefix, folders, found)
            except (FileNotFoundError, NotADirectoryError) as error:
                if not prefix or not self.is_still_there():
                    raise self._unlistable(prefix, error) from error
                continue  # deleted, or replaced by a file, since its parent was listed
            except OSError as error:
                raise self._unlistable(prefix, error) from error
            yield found

    def is_still_there(self) -> bool:
        """Return whether `root` is the folder that it was at the start: an unmounted share leaves another one."""
        return self._look_at_root() == self._identity

    def _look_at_root(self) -> tuple[int, int] | None:
        try:
            facts = os.stat(self.root)
        except OSError:
            return None
        return facts.st_dev, facts.st_ino

    def _look_at(
        self,
        entries: Iterable["os.DirEntry[bytes]"],
        prefix: bytes,
        folders: list[tuple[bytes, bytes]],
        found: Found,
    ) -> None:
        # One plain loop without a generator or an object per file: a catalog of millions spends its nights here.
        parent, add_id, add_size, add_time = (
            _encoded_id(prefix),
            found.ids.append,
            found.sizes.append,
            found.times.append,
        )
        for entry in entries:
            name = entry.name
            if name[0] == _DOT:
                self.skipped["hidden"] += 1
                continue
            known = parent + (name if name.isascii() and b"\\" not in name else _encoded_id(name))
            if self._exclude and any(pattern.match(known.decode()) for pattern in self._exclude):
                self.skipped["excluded"] += 1
            elif entry.is_symlink():
                self._look_at_link(entry, known, found)
            elif entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, prefix + name + b"/"))
            elif name[name.rfind(b".") :].lower() not in _ENDINGS:
                self.skipped["not_a_picture"] += 1
            elif not entry.is_file(follow_symlinks=False):
                self.skipped["special"] += 1
            else:
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it went between listing and stat: it is deleted
                add_id(known)
                add_size(facts.st_size)
                add_time(stored_time(facts.st_mtime_ns))

    def _unlistable(self, prefix: bytes, error: OSError) -> Refused:
        return Refused(
            f"folder {image_id(prefix) or '.'!r} of {self.root!r} cannot be listed ({error.strerror}); nothing was "
            "changed. Make it readable, or let 'tagger tag' leave it out with --exclude"
        )

    def _look_at_link(self, entry: "os.DirEntry[bytes]", known: bytes, found: Found) -> None:
        try:
            facts = entry.stat()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG):
                raise
            self.skipped["broken_link"] += 1
            return
        target = os.path.realpath(entry.path)
        if stat.S_ISDIR(facts.st_mode):
            self.skipped["folder_link"] += 1
        elif not target.startswith(os.path.join(os.fsencode(self.root), b"")):
            self.skipped["link_outside"] += 1
        elif entry.name[entry.name.rfind(b".") :].lower() not in _ENDINGS:
            self.skipped["not_a_picture"] += 1
        elif not stat.S_ISREG(facts.st_mode):
            self.skipped["special"] += 1
        else:
            found.ids.append(known)
            found.sizes.append(facts.st_size)
            found.times.append(stored_time(facts.st_mtime_ns))


def stored_time(mtime_ns: int) -> int:
    """Return a modification time as an int64 can hold it: some files say that they are from the year 2300."""
    return max(-(2**63), min(mtime_ns, 2**63 - 1))


def image_id(relative: bytes) -> str:
    r"""Return the id of a path below the catalog: an invalid UTF-8 byte as ``\xNN``, a backslash as ``\\``.

    >>> image_id(b"a b/\xff.jpg")
    'a b/\\xff.jpg'
    """
    return relative.replace(b"\\", b"\\\\").decode("utf-8", errors="backslashreplace")


def relative_path(image_id: str) -> bytes:
    r"""Return the path below the catalog that `image_id` was made from.

    >>> relative_path("a b/\\xff.jpg")
    b'a b/\xff.jpg'
    """
    return re.sub(
        rb"\\(\\|x[0-9a-f]{2})",
        lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]),
        image_id.encode(),
    )


def absolute_path(root: str, image_id: str) -> str:
    """Return the path of a picture, as `open` takes it."""
    return os.fsdecode(os.path.join(os.fsencode(root), relative_path(image_id)))


def bucket_of(image_id: str, buckets: int) -> int:
    """Return sha256(image_id) mod `buckets`, from 0: where a row lives for ever."""
    return int.from_bytes(hashlib.sha256(image_id.encode()).digest(), "big") % buckets


def bucket_count(found: int) -> int:
    """Return how many buckets a new index of `found` pictures gets: clamp(ceil(found / 50,000), 1, 256)."""
    return max(1, min(256, -(-found // 50_000)))


def _encoded_id(relative: bytes) -> bytes:
    return image_id(relative).encode()
