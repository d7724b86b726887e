"""Prometheus's text format: named numbers with labels, one a line.

Format version 0.0.4, https://prometheus.io/docs/instrumenting/exposition_formats/.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple


class Sample(NamedTuple):
    """A number, and the labels that tell it from others of its family."""

    labels: Mapping[str, str]
    value: float


class Family(NamedTuple):
    """Numbers of one name."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: list[Sample]


def exposition(families: Iterable[Family]) -> str:
    """Return the families as text; those without a number are left out."""
    return "".join(_family(family) for family in families if family.samples)


def _family(family: Family) -> str:
    lines = [
        f"# HELP {family.name} {_escaped(family.help)}",
        f"# TYPE {family.name} {family.kind}",
        *(f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples),
    ]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""


def _quoted(value: str) -> str:
    """Return a label's value; bytes of a path that are no UTF-8 become `\\xNN`."""
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _escaped(text).replace('"', r"\"")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
