"""Arguments and options of `tagger compare`, each with what its help says."""

from typing import Annotated

import typer

A = Annotated[
    str,
    typer.Argument(
        metavar="A",
        help="A model: a bundle's folder, MODELS/current, or starter, the one that comes with the "
        "package. Or a night: INDEX, or INDEX/snapshots/ID.",
    ),
]
B = Annotated[
    str, typer.Argument(metavar="B", help="What to compare it with: another of the same kind.")
]
On = Annotated[
    list[str] | None,
    typer.Option(
        metavar="DATASET",
        help="Of two models: a labelled set to compare them on, a folder of label folders or a "
        "table; may be repeated.",
    ),
]
SampledCatalog = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Of two models: a folder of pictures without labels; says where they differ, not who "
        "is right.",
    ),
]
SampleSize = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="How many pictures of --catalog to draw; by default 500."
    ),
]
DrawingSeed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the drawing.")]
Html = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.html",
        help="Write a page with pictures of what flipped; one file, to be sent.",
    ),
]
