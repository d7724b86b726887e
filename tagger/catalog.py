"""The catalog: which files are pictures, what they are called, and when they last changed. Opens no
file."""

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from schemas.runs import SKIPPED
from tagger.errors import InputError, Refused
from tagger.settings import setting

if TYPE_CHECKING:
    from tagger.exclusions import Exclusions, Idle

EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".jp2",
    ]
)

_ENDINGS = frozenset(extension.encode() for extension in EXTENSIONS)
_DOT = ord(".")

SYSTEM_FOLDERS = frozenset(
    {
        *(
            "@eaDir",
            "@tmp",
            "#recycle",
            "#snapshot",
        ),  # Synology: thumbnails, uploads, bin, snapshots
        *("@Recycle", "@Recently-Snapshot", "@Transcode"),  # QNAP
        *("~snapshot", "trashbox"),  # NetApp, Buffalo
        *("$RECYCLE.BIN", "RECYCLER", "System Volume Information", "FOUND.000"),  # Windows
        *("__MACOSX", "Network Trash Folder", "Temporary Items"),  # macOS: archives, shares
        *("lost+found", "LOST.DIR"),  # repaired Linux and Android volumes
        *("files_trashbin", "files_versions"),  # Nextcloud, ownCloud
    }
)
"""Folders that NAS and desktops make, for thumbnails, deleted and older files: left out at any
depth, in any case.

`.snapshot`, `.Trash-1000`, `.@__thumb` and their like are hidden anyway."""

_SYSTEM = {name.lower(): name for name in SYSTEM_FOLDERS}

_BATCH = 65_536
_ENTRIES = 4096
"""Of a folder, looked at between two looks at the batch: a folder may hold a million files."""

UNSEEN = -1
"""In place of size and time of a picture that is listed and cannot be looked at."""


class CatalogImage(NamedTuple):
    """A picture found by the walk, and the fingerprint the plan compares, or `UNSEEN`."""

    image_id: str
    size: int
    mtime_ns: int


class Found(NamedTuple):
    """Some pictures: ids as UTF-8, sizes in bytes, modification times in ns, or `UNSEEN`."""

    ids: list[bytes]
    sizes: list[int]
    times: list[int]


class Walk:
    """Iterate over the pictures below `root`, in no particular order; count in `skipped` what is no
    picture.

    What is deleted or renamed meanwhile is there or not, but never stops the walk. Nor does a file
    that cannot be looked at: it is listed, and reading it says what is wrong.

    Parameters
    ----------
    exclude : Exclusions, optional
        What to leave out.
    include : collection of str
        Those of `SYSTEM_FOLDERS` that are not left out.

    Raises
    ------
    InputError
        If `root` is no folder, or `include` names something else.
    Refused
        If a folder cannot be listed, or `root` itself goes away: it is never read as empty.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        exclude: "Exclusions | None" = None,
        include: Collection[str] = (),
    ) -> None:
        self.root = os.path.realpath(root)
        self.skipped: Counter[str] = Counter()
        self._first: dict[str, bytes] = {}
        self._system = _left_out(include)
        self._exclude = exclude
        if not os.path.isdir(self.root):
            kind = "it is a file" if os.path.exists(self.root) else "there is no such folder"
            raise InputError(
                f"catalog {os.fspath(root)!r}: {kind}; is it mounted? Else name the folder that "
                "holds the pictures"
            )
        self._identity = self._look_at_root()
        if exclude:
            exclude.begin(self.root, os.path.abspath(root))

    def __iter__(self) -> Iterator[CatalogImage]:
        for found in self.batches():
            for name, size, mtime_ns in zip(*found, strict=True):
                yield CatalogImage(name.decode(), size, mtime_ns)

    def batches(self) -> Iterator[Found]:
        """Yield the pictures, some 65,000 at a time: of many small folders, or of a part of one."""
        base = os.fsencode(self.root)
        folders = [(base, b"")]
        found = Found([], [], [])
        while folders:
            folder, prefix = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for first in entries:
                        some = chain((first,), islice(entries, _ENTRIES))
                        self._look_at(some, prefix, folders, found)
                        if len(found.ids) >= _BATCH:
                            yield found
                            found = Found([], [], [])
            except (FileNotFoundError, NotADirectoryError) as error:
                if not prefix or not self.is_still_there():
                    raise self._unlistable(prefix, error) from error
                continue  # deleted, or replaced by a file, since its parent was listed
            except OSError as error:
                raise self._unlistable(prefix, error) from error
        yield found

    def idle_patterns(self) -> "list[Idle]":
        """Return the patterns of `exclude` that have named nothing so far."""
        return self._exclude.idle() if self._exclude else []

    def explanation(self) -> str:
        """Return what was skipped so far, the first of each kind and what to do about it; empty if
        nothing was."""
        kinds = [
            f"{n:,} {reason}, first {self._first[reason].decode()!r} ({SKIPPED[reason]})"
            for reason, n in self.skipped.most_common()
        ]
        return f"skipped: {'; '.join(kinds)}" if kinds else ""

    def is_still_there(self) -> bool:
        """Return whether `root` is the folder that it was at the start: an unmounted share leaves
        another one."""
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
        # One plain loop without a generator or an object per file: a catalog of millions spends its
        # nights here.
        parent = _encoded_id(prefix)
        add_id = found.ids.append
        add_size = found.sizes.append
        add_time = found.times.append
        exclude = self._exclude
        system = self._system
        for entry in entries:
            name = entry.name
            known = parent + (name if name.isascii() and b"\\" not in name else _encoded_id(name))
            try:
                if exclude and exclude.leave_out(known.decode(), is_folder=_may_be_folder(entry)):
                    self._skip("excluded", known)
                elif name[0] == _DOT:
                    self._skip("hidden", known)
                elif entry.is_symlink():
                    self._look_at_link(entry, known, found)
                elif entry.is_dir(follow_symlinks=False):
                    if name.lower() in system:
                        self._skip("system_folder", known)
                    else:
                        folders.append((entry.path, prefix + name + b"/"))
                elif name[name.rfind(b".") :].lower() not in _ENDINGS:
                    self._skip("not_a_picture", known)
                elif not entry.is_file(follow_symlinks=False):
                    self._skip("special", known)
                else:
                    facts = entry.stat(follow_symlinks=False)
                    add_id(known)
                    add_size(facts.st_size)
                    add_time(stored_time(facts.st_mtime_ns))
            except FileNotFoundError:
                continue  # it went between listing and stat: it is deleted
            except OSError:
                if _is_called_picture(name):
                    _add_unseen(found, known)
                else:
                    folders.append(
                        (entry.path, prefix + name + b"/")
                    )  # if it is no folder, listing it says so

    def _skip(self, reason: str, known: bytes) -> None:
        self.skipped[reason] += 1
        self._first.setdefault(reason, known)

    def _unlistable(self, prefix: bytes, error: OSError) -> Refused:
        advice = (
            f", or leave it out with {setting('exclude')} {image_id(prefix)!r}" if prefix else ""
        )
        return Refused(
            f"folder {image_id(prefix) or '.'!r} of {self.root!r} cannot be listed "
            f"({error.strerror}); nothing was "
            f"changed. Make it readable{advice}"
        )

    def _look_at_link(self, entry: "os.DirEntry[bytes]", known: bytes, found: Found) -> None:
        facts = None
        try:
            facts = entry.stat()
        except OSError as error:
            if error.errno in (
                errno.ENOENT,
                errno.ELOOP,
                errno.ENOTDIR,
                errno.EACCES,
                errno.ENAMETOOLONG,
            ):
                self._skip("broken_link", known)
                return
        target = os.path.realpath(entry.path)
        if facts and stat.S_ISDIR(facts.st_mode):
            self._skip("folder_link", known)
        elif not target.startswith(os.path.join(os.fsencode(self.root), b"")):
            self._skip("link_outside", known)
        elif not _is_called_picture(entry.name):
            self._skip("not_a_picture", known)
        elif facts is None:
            _add_unseen(found, known)
        elif not stat.S_ISREG(facts.st_mode):
            self._skip("special", known)
        else:
            found.ids.append(known)
            found.sizes.append(facts.st_size)
            found.times.append(stored_time(facts.st_mtime_ns))


def _left_out(include: Collection[str]) -> frozenset[bytes]:
    """Return the lower-case names of the system folders that are not asked for."""
    asked = {name.rstrip("/").lower() for name in include}
    for name in include:
        if name.rstrip("/").lower() not in _SYSTEM:
            raise InputError(
                f"{setting('include')} {name!r} is no folder that is left out by itself; those "
                "are: "
                f"{', '.join(sorted(SYSTEM_FOLDERS, key=str.lower))}"
            )
    return frozenset(name.encode() for name in _SYSTEM.keys() - asked)


def _is_called_picture(name: bytes) -> bool:
    return name[name.rfind(b".") :].lower() in _ENDINGS


def _add_unseen(found: Found, known: bytes) -> None:
    found.ids.append(known)
    found.sizes.append(UNSEEN)
    found.times.append(UNSEEN)


def _may_be_folder(entry: "os.DirEntry[bytes]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return True


def stored_time(mtime_ns: int) -> int:
    """Return a modification time as an int64 can hold it: some files say that they are from the
    year 2300."""
    return max(-(2**63), min(mtime_ns, 2**63 - 1))


def image_id(relative: bytes) -> str:
    r"""Return the id of a path below the catalog: an invalid UTF-8 byte as ``\xNN``, a backslash as
    ``\\``.

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


def _encoded_id(relative: bytes) -> bytes:
    return image_id(relative).encode()
