"""Arguments and options of the commands about the index, each with what its help says."""

from typing import Annotated, Literal

import typer

Catalog = Annotated[
    str, typer.Argument(metavar="CATALOG", help="The folder that holds the pictures.")
]
Index = Annotated[
    str, typer.Option(metavar="INDEX", help="The index folder; made if it is not there.")
]
IndexModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help=(
            "A bundle's folder, or MODELS/current; by default the starter model that comes "
            "with the package."
        ),
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and touch nothing.")]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="local: this machine; ray: the Ray cluster at RAY_ADDRESS, or one started here."
    ),
]
DecodeTimeout = Annotated[
    float,
    typer.Option(
        min=0.1, metavar="SECONDS", help="What one picture may take; then it is a timeout."
    ),
]
MaxErrorRate = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Refuse to publish above this share of failures, from 20 failures up.",
    ),
]
MaxDeleteRate = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="Refuse to delete more than this share of rows, from 20 deletions up.",
    ),
]
ForceModel = Annotated[
    bool, typer.Option("--force-model", help="Use a model that did not pass its gate.")
]
ReplaceColumns = Annotated[
    bool,
    typer.Option(
        "--replace-columns",
        help="Use a model that lacks columns of the index: readers lose them.",
    ),
]
RetryErrors = Annotated[
    bool,
    typer.Option(
        "--retry-errors", help="Read pictures again that failed before and have not changed."
    ),
]
Features = Annotated[
    bool,
    typer.Option(
        "--features",
        help="Keep what the model's trunk makes of each picture in the index: a later model "
        "with the same trunk is "
        "scored from that.",
    ),
]
Full = Annotated[bool, typer.Option("--full", help="Read and score every picture again.")]
BackfillLimit = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Score at most N pictures again for a new model or reader in this run, the "
        "newest first; others keep "
        "their older rows until a later run.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Take in folders of this name, which a NAS or a desktop makes: they are left "
        "out (@eaDir, #recycle "
        "...); may be repeated.",
    ),
]
SameCatalog = Annotated[
    bool,
    typer.Option(
        "--same-catalog", help="The catalog is the index's, though it lies at another path now."
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="N", help="Stop after N seconds; what was done is kept for the next run."
    ),
]
Keep = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Snapshots to keep; a replaced one is kept for 48 h at least."
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Replace this Prometheus text file after the run, however it ends; node_exporter "
        "reads those that end in .prom.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        help="Print nothing if all is well, else a few lines: for cron, which mails them.",
    ),
]
MaxAge = Annotated[
    str,
    typer.Option(
        metavar="TIME", help="How old the night may be that readers see: 26h, 90m, 2d ..."
    ),
]
Last = Annotated[int, typer.Option(min=1, metavar="N", help="How many, the newest first.")]
Snapshot = Annotated[
    str, typer.Argument(metavar="SNAPSHOT", help="One that 'tagger runs INDEX' lists as kept.")
]
Image = Annotated[str, typer.Argument(metavar="IMAGE", help="Any picture, of the catalog or not.")]
Top = Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many.")]
SimilarModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Whose features to compare; by default the model that last kept some.",
    ),
]
Sheet = Annotated[
    str | None, typer.Option(metavar="FILE.png", help="Draw them on a contact sheet.")
]
ReviewAs = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help="Who corrects; by default the user's name on this machine.",
    ),
]
Port = Annotated[
    int, typer.Option(min=0, max=65_535, metavar="N", help="Where to listen; 0 is any free port.")
]
SampleSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=20_000,
        metavar="N",
        help="Ask about N pictures drawn at random, and estimate from them how good the answers "
        "are; goes on with a sample that is not finished.",
    ),
]
AuditTable = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Show the findings of evaluate --audit: the audit.csv that it wrote."
    ),
]
ReportAfter = Annotated[
    str | None,
    typer.Option(
        "--report",
        metavar="FILE.html",
        help="After the night, however it ended, write its report there; see 'tagger report'.",
    ),
]
SyncAfter = Annotated[
    list[str] | None,
    typer.Option(
        "--sync",
        metavar="FILE.toml",
        help="After a good night, bring it into a search engine: the options of 'tagger sync', in "
        "a file; may be repeated.",
    ),
]
Out = Annotated[
    str,
    typer.Option(metavar="FILE.html", help="The page to write; it replaces what was there."),
]
ShownProducts = Annotated[
    str | None,
    typer.Option(
        "--products",
        metavar="FILE",
        help="Show products too: a table with the columns sku, image and, if pictures should not "
        "count alike, role.",
    ),
]
ShownProductFrom = Annotated[
    str | None,
    typer.Option(
        "--product-from",
        metavar="REGEX",
        help="Show products too, which stand in the path: the group 'sku', else the first group, "
        "of a regular expression; a group 'role' may be there too.",
    ),
]
