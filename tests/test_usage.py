"""A command line that is wrong: one line that says what was given and what is possible."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from test_cli import refused

from jobs.cli import run
from jobs.console.app import app


def ranged() -> Iterator[tuple[str, Any]]:
    """Yield command and option for all that take a number of a range."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        for parameter in command.params:
            if getattr(parameter, "min", None) is not None:
                yield name, parameter


@pytest.mark.parametrize(
    ("command", "parameter"),
    [pytest.param(name, one, id=f"{name} {one.opts[0]}") for name, one in ranged()],
)
def test_every_number_out_of_range_is_told_with_its_range(
    command: str, parameter: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    option = parameter.opts[0]
    least, most = parameter.min, parameter.max
    kind = "a whole number" if parameter.type_descriptor.annotation is int else "a number"
    wanted = f"{kind}, {least:,} or more" if most is None else f"{kind} from {least:,} to {most:,}"
    for given in [least - 1, *([most + 1] if most is not None else [])]:
        said = refused(capsys, command, option, given)
        assert said == f"tagger: {option} {given}: out of range; possible is {wanted}"
    if option == "--skip-problems":  # a word that is no number is the next one: a labelled set
        return
    assert refused(capsys, command, option, "many").endswith(f"possible is {wanted}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "tag x --index i --workers many",
            "--workers many: no whole number; possible is a whole number, 0 or more",
        ),
        (
            "tag x --index i --max-error-rate half",
            "--max-error-rate half: no number; possible is a number from 0 to 1",
        ),
        (
            "tag x --index i --keep 1\x1b[31m",
            "--keep '1\\x1b[31m': no whole number; possible is a whole number, 1 or more",
        ),
        (
            "tag x --index i --backend gpu",
            "--backend gpu: there is no such choice; possible is auto, openvino or keras",
        ),
        (
            "tag x --index i --bakend gpu",
            "no such option: --bakend (Possible options: --backend); 'tagger tag --help' says "
            "what is possible",
        ),
        ("tag x", "--index is missing; 'tagger tag --help' says what is possible"),
        ("tag --index i", "CATALOG is missing; 'tagger tag --help' says what is possible"),
        ("train", "--models is missing; 'tagger train --help' says what is possible"),
        ("verify i j", "got unexpected extra argument(s) (j); 'tagger verify --help' says "),
        ("verify i \x1b[31m", "got unexpected extra argument(s) (\\x1b[31m); 'tagger verify"),
        ("tag x --index", "option '--index' requires an argument; 'tagger --help' says "),
        ("tag x --full=3", "option '--full' does not take a value; 'tagger --help' says "),
        ("tagg", "no such command 'tagg'. Did you mean 'tag'? 'tagger --help' says "),
        ("--nightly", "no such option: --nightly"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *words.split(" ")).startswith(f"tagger: {said}")


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    """A command line without a word asks for it, and yet has done nothing."""
    for words, code in ((["--help"], 0), (["tag", "--help"], 0), ([], 2)):
        assert run(words) == code
        said = capsys.readouterr()
        assert "Usage: tagger" in said.out
        assert said.err == ""
