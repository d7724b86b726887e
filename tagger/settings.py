"""How a message names a setting: as Python does here, as a flag where a command runs."""

from collections.abc import Callable

_spelling: Callable[[str], str] = str


def setting(name: str) -> str:
    """Return what the setting `name` is called where the message will be read.

    Examples
    --------
    >>> f"allow it with {setting('max_delete_rate')}"
    'allow it with max_delete_rate'
    """
    return _spelling(name)


def spell_settings(spelling: Callable[[str], str]) -> None:
    """Let messages name settings as `spelling` does; commands spell `max_delete_rate` as a flag."""
    global _spelling
    _spelling = spelling
