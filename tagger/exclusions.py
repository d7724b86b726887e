"""What `--exclude` names: paths below a folder, as people and our own messages write them.

A pattern without a slash names things at any depth; one with a slash begins at the folder. A folder
is named with all that it holds. In a pattern that is no name of a thing as it stands, `*` is any
text, slashes too, `?` any character and `[ab]` one of these.
"""

import fnmatch
import os
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from tagger.catalog import image_id, relative_path
from tagger.errors import InputError
from tagger.settings import setting


class Idle(NamedTuple):
    """A pattern that has named nothing, as the user wrote it, and a path that it would name but for
    its case."""

    pattern: str
    meant: str | None


class Exclusions:
    """Patterns of `--exclude`, and which of them have named anything so far.

    Parameters
    ----------
    given : sequence of str
        As the user wrote them.

    Raises
    ------
    InputError
        If one of them names no path below a folder.
    """

    def __init__(self, given: Sequence[str]) -> None:
        self._patterns = [_Pattern(one) for one in given]

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def begin(self, *roots: str) -> None:
        """Look which patterns are names of things below a root, however it is spelt, as they stand:
        no globs."""
        for pattern in self._patterns:
            pattern.begin(roots)

    def leave_out(self, image_id: str, *, is_folder: bool) -> bool:
        """Return whether any pattern names this path, and note which do."""
        path = _composed(image_id)
        named = [pattern.names(path, is_folder=is_folder) for pattern in self._patterns]
        return any(named)

    def idle(self) -> list[Idle]:
        """Return the patterns that have named nothing so far."""
        return [
            Idle(pattern.given, pattern.meant) for pattern in self._patterns if not pattern.used
        ]


def complaint(pattern: str, meant: str | None) -> str:
    """Return a line on a pattern that has named nothing."""
    if meant is not None:
        return f"{setting('exclude')} {pattern!r} matched nothing; did you mean {meant!r}?"
    return (
        f"{setting('exclude')} {pattern!r} matched nothing; write paths from the folder on, as "
        "messages print "
        "them. What a folder "
        "holds that is left out is not looked at"
    )


class _Pattern:
    """One pattern; paths that it is compared with are composed (NFC), as it is itself."""

    def __init__(self, given: str) -> None:
        self.given = given
        self.used = False
        self._only_name = False
        self.meant: str | None = None
        self._read(given)

    def _read(self, text: str) -> None:
        inside = text.removesuffix("**") if text.endswith("/**") else text
        path = os.path.normpath(inside.strip("/") or ".")
        if path.split("/")[0] in (".", ".."):
            raise InputError(
                f"{setting('exclude')} {self.given!r} names no path below the folder; write it as "
                "messages "
                "print it, as in "
                f"{setting('exclude')} 'incoming/raw'"
            )
        self._folders_only = inside.endswith("/")
        self._any_depth = "/" not in path and not inside.startswith(("/", "./"))
        self._path = path
        # As typed, and as an id shows it: bytes that are no text, and backslashes.
        spelt = [os.fsencode(path).decode(errors="backslashreplace"), image_id(os.fsencode(path))]
        self._names = {_composed(name) for name in spelt}
        spelt.append(
            re.sub(r"\\([][*?])", r"[\1]", path)
        )  # a backslash before it makes a glob's sign a letter
        # A plain name needs no regular expression: there are millions of paths to compare with.
        self._is_glob = any(sign in path for sign in "*?[")
        spelt = [one.replace("[^", "[!") for one in spelt]  # as shells and gitignore write it
        globs = {
            _composed(glob)
            for one in spelt
            for glob in _globs(f"**/{one}" if self._any_depth else one)
        }
        self._glob = re.compile("|".join(map(fnmatch.translate, sorted(globs))))
        self._any_case = re.compile(self._glob.pattern, re.IGNORECASE)
        self._folded = {name.casefold() for name in self._names}

    def begin(self, roots: Sequence[str]) -> None:
        # Anew for each root: what is a path of one labelled set may be nothing in the next.
        inside = next((root for root in roots if self.given.startswith(os.path.join(root, ""))), "")
        self._read(self.given[len(inside) :])
        below = os.path.join(os.fsencode(roots[0]), b"")
        self._only_name = any(
            os.path.lexists(below + relative) for relative in self._relative_paths()
        )

    def names(self, path: str, *, is_folder: bool) -> bool:
        if self._folders_only and not is_folder:
            return False
        name = path.rpartition("/")[2] if self._any_depth else path
        if self._is_name(name) or (
            self._is_glob and not self._only_name and self._glob.match(path)
        ):
            self.used = True
            return True
        if not self.used and self.meant is None and self._differs_in_case(name, path):
            self.meant = path
        return False

    def _relative_paths(self) -> set[bytes]:
        return {
            os.fsencode(self._path),
            relative_path(self._path.encode(errors="backslashreplace").decode()),
        }

    def _is_name(self, name: str) -> bool:
        # A message quotes what cannot be seen, and backslashes twice.
        return name in self._names or ("\\" in self._path and repr(name)[1:-1] in self._names)

    def _differs_in_case(self, name: str, path: str) -> bool:
        return (
            bool(self._any_case.match(path)) if self._is_glob else name.casefold() in self._folded
        )


def _globs(pattern: str) -> list[str]:
    """Return patterns in which `*` crosses slashes for one in which `**/` may also stand for
    nothing."""
    before, stars, after = pattern.partition("**/")
    if not stars or (before and not before.endswith("/")):
        return [pattern]
    return [before + between + rest for rest in _globs(after) for between in ("", "*/")]


def _composed(text: str) -> str:
    """Return `text` in one Unicode form: macOS and some shares spell accents apart from their
    letters."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
