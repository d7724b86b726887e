"""Libraries that are done without: by a machine which only tags, two thirds of an install; by a
night, pandas."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from tagger.errors import InputError

NEEDED_TO_TRAIN = ("tensorflow", "keras", "nncf", "matplotlib")
"""What training needs beside what tagging does."""

NEEDED_TO_AUDIT = ("cleanlab",)
"""What looking for wrong labels needs."""


def require(*names: str) -> None:
    """Raise InputError if one of these libraries is not installed, before any work is done."""
    for name in names:
        if find_spec(name) is None:
            raise InputError(
                f"this needs {name}, which is not installed: the machine was set up for tagging "
                "alone. Install the whole package here (pip install with the wheel's path, "
                "without --no-deps), or do it on a machine that has it"
            )


def keep_pandas_out() -> None:
    """Have Arrow do without pandas for as long as this process lives.

    Else it loads pandas with the first list that it makes an array of, to see whether that is of
    pandas: 0.2 to 0.4 s and 33 MiB. Arrow looks once, so afterwards it makes no data frames here.
    Nothing is done where pandas is loaded already.
    """
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)


class _NoPandas:
    """A finder of modules that knows of no pandas."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for pandas; leave all else to other finders."""
        if name == "pandas":
            raise ImportError("pandas is kept out of this process")
        return None
