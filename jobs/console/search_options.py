"""Options of the commands that bring a night into a search engine, declared once by name."""

from typing import Annotated

import typer

To = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="The engine, and what its collection is called there: typesense://HOST:PORT/NAME, "
        "postgresql://USER@HOST/DATABASE?table=NAME, elasticsearch://HOST:PORT/NAME, "
        "opensearch://HOST:PORT/NAME, or ndjson://FILE. By TLS, but on this machine; ?tls=no and "
        "?tls=yes say otherwise.",
    ),
]
ProductTable = Annotated[
    str | None,
    typer.Option(
        "--products",
        metavar="FILE",
        help="One document a product: a table with the columns sku, image and, if pictures should "
        "not count alike, role.",
    ),
]
ProductFrom = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="One document a product, which stands in the path: the group 'sku', else the first "
        "group, of a regular expression; a group 'role' may be there too.",
    ),
]
Words = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="What persons search by: a table with a column 'label', and synonyms, other "
        "languages and parents in its other columns.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="TEMPLATE",
        help="The address of a picture or a product: text with {path}, {id} or {sku} in it.",
    ),
]
KeyFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The API key, the password, or user:password, in the first line of a file; without "
        "one, that in the variable TAGGER_SEARCH_KEY.",
    ),
]
Anew = Annotated[
    bool,
    typer.Option(
        "--anew", help="Build all documents anew beside what is served, then swap, in any case."
    ),
]
MaxWait = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="N",
        help="Seconds to ask again for, where the engine is away or busy.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Count what would be written and removed; change nothing.")
]
ProductsOut = Annotated[
    str,
    typer.Option(
        "--out", metavar="FILE.parquet", help="The table to write; it replaces what was there."
    ),
]
