"""Arguments and options that several commands share."""

from typing import Annotated, Literal

import typer


def _configure(context: typer.Context, path: str | None) -> str | None:
    """Take the file's settings as defaults, before the other options are looked at."""
    if path is not None:
        from jobs.console.config_file import configure

        configure(context, path)
    return path


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A bundle's folder, or MODELS/current.")
]
Datasets = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET...", help="Folders of label folders, or tables: .csv, .xlsx, .parquet."
    ),
]
IndexFolder = Annotated[str, typer.Argument(metavar="INDEX", help="An index folder.")]
Names = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.csv",
        help="What labels of the sets are called here: dataset,group,name,becomes; dataset empty "
        "is any, becomes empty "
        "is unknown.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=HEADER,...",
        help="Which headers of a table are its pictures and groups, for every table given: "
        "image=Bilddatei,farbe=Farbe; + joins columns, * takes one-hot columns, as in "
        "farbe=Farbe_*; by default those of the same name in any case.",
    ),
]
ImageRoot = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="The folder below which the pictures of every table given lie; by default the "
        "table's own.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Leave out this file or folder, by name or by its path below the catalog or set; * "
        "is any text; may be "
        "repeated.",
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="Of the split and of everything random.")
]
MinPrecision = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=0.999,
        metavar="P",
        help="Thresholds that reach this precision, instead of the best F1.",
    ),
]
Backend = Literal["auto", "openvino", "keras"]
BackendOption = Annotated[
    Backend,
    typer.Option(
        help="auto is OpenVINO, in int8 or bfloat16 where a comparison allowed it; openvino "
        "computes in float32; keras is the slow reference."
    ),
]
Workers = Annotated[int, typer.Option(min=0, help="Decode processes; 0 is one per core.")]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        is_eager=True,
        callback=_configure,
        help="A TOML file with these names; the command line wins.",
    ),
]
SkipProblems = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        metavar="[PERCENT]",
        help="Go on without what cannot be used, if that is at most this share of the pictures: 5 "
        "unless a number is given.",
    ),
]
