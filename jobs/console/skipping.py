"""`--skip-problems [PERCENT]`: an option whose number may be left out."""

from typing import Any

from typer.core import TyperCommand

from tagger.datasets.problem_budget import USUAL_PERCENT

_OPTION = "--skip-problems"


class SkippingCommand(TyperCommand):
    """A command with this option."""

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        """Return what is left of the words after the options, as the base does."""
        return super().parse_args(context, with_percent(arguments))


def with_percent(arguments: list[str]) -> list[str]:
    """Return the words of a command line with the usual share where none was given.

    What comes after the option and is no number is the next word: a labelled set, say.

    Examples
    --------
    >>> with_percent(["--skip-problems", "photos/"])
    ['--skip-problems', '5', 'photos/']
    """
    result: list[str] = []
    for word, following in zip(arguments, [*arguments, ""][1:], strict=True):
        given = result[-1:] == [_OPTION]
        result.append(word.removesuffix("%") if given else word)
        if word == _OPTION and not _is_number(following):
            result.append(f"{USUAL_PERCENT:g}")
    return result


def _is_number(word: str) -> bool:
    try:
        float(word.removesuffix("%"))
    except ValueError:
        return False
    return True
