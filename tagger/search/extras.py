"""Clients of search engines, which come with the package's extras and are loaded late."""

from collections.abc import Iterator
from contextlib import contextmanager

from tagger.errors import InputError


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Raise InputError, which says what to install, if an import within fails."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"the client of {extra} is not installed ({error}); run: pip install "
            f"'fashion-catalog-tagger[{extra}]'"
        ) from error
