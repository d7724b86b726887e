"""Arguments and options of the commands about models, each with what its help says."""

from typing import Annotated

import typer

from tagger.training.recipe import RecipeName

Models = Annotated[str, typer.Option(metavar="DIR", help="Where bundles are kept.")]
TrainDatasets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATASET...]",
        help="Folders of label folders, or tables: .csv, .xlsx, .parquet.",
    ),
]
Corrections = Annotated[
    str | None,
    typer.Option(
        metavar="INDEX",
        help="What persons said of pictures of this index are labels too, beside labelled sets or "
        "in their place; of the same bytes the person's word counts.",
    ),
]
Unlabelled = Annotated[
    str | None,
    typer.Option(
        metavar="CATALOG",
        help="A folder of pictures without labels: what a first model is sure of there teaches a "
        "second one, which is kept if it is better.",
    ),
]
CorrectedIndex = Annotated[
    str,
    typer.Option("--corrections", metavar="INDEX", help="The index that persons corrected."),
]
NewTable = Annotated[
    str,
    typer.Option(
        "--out",
        metavar="NEW.csv",
        help="The table to write: beside a table, or in the set's folder or above.",
    ),
]
OneDataset = Annotated[
    str,
    typer.Argument(metavar="DATASET", help="A folder of label folders, or a table; it stays."),
]
Name = Annotated[str, typer.Option(help="The bundle becomes NAME-vK, next free K.")]
Groups = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[:EVIDENCE][+],...",
        help="What the folder names' tokens are, by position, or the table's columns. "
        "EVIDENCE is pixels, shape, texture or both; + means not exclusive.",
    ),
]
Vocabulary = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A vocabulary.json whose labels folder names spell, longest match first.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Passes over the train part; by default 45, or 60 above 3,000 pictures, fewer "
        "above 12,000; 30 with "
        "--recipe plain.",
    ),
]
Recipe = Annotated[
    RecipeName,
    typer.Option(
        help="evidence recombines pictures, for pairs that none shows; trunk puts them before "
        "other backgrounds too, for a model that others begin with; plain is the method's own."
    ),
]
HoldOutPair = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PAIR",
        help="Keep pictures of this pair (red_dress, or color:red+garment:dress) from "
        "training and measure on "
        "them; may be repeated.",
    ),
]
MinPictures = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Labels of fewer pictures are left out, unknown where they were.",
    ),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="List all that is wrong with the sets, with what to do, and what can be trained from "
        "the rest; train nothing.",
    ),
]
Propose = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.csv",
        help="With --check: write labels that are perhaps one label as a table to edit, for "
        "--names.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the last epoch of an interrupted training.")
]
IncludeTraining = Annotated[
    bool,
    typer.Option("--include-training", help="Measure on training and validation pictures too."),
]
Audit = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Write to DIR which labels of all these pictures the model doubts, and "
        "near-duplicates with different "
        "labels: audit.csv, and sheets to look at.",
    ),
]
Images = Annotated[list[str], typer.Argument(metavar="IMAGE...")]
Overlay = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="Draw scores and answers on a copy of each picture, in DIR."),
]
RetrainDatasets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATASET...]", help="Labelled sets, with the old pictures or without them."
    ),
]
Parent = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="The bundle to start from; `starter` is the one that comes with the package.",
    ),
]
Trunk = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Begin with the trunk of this model in place of nothing, and with its head's rows for "
        "labels of the same names; `starter` is the one that comes with the package.",
    ),
]
Add = Annotated[
    list[str] | None, typer.Option(metavar="GROUP:LABEL", help="A new label; may be repeated.")
]
Splits = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NEW=]OLD",
        help="An old label that a new one of its group is split from: whether its older "
        "pictures have the new one "
        "is unknown.",
    ),
]
Retire = Annotated[
    list[str] | None,
    typer.Option(metavar="LABEL", help="Answer this label no more; its column stays."),
]
RetrainMinPictures = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Undeclared labels of fewer pictures are left out."),
]
AcceptNewLabels = Annotated[
    bool,
    typer.Option(
        "--accept-new-labels", help="Take every label of the data that the model does not have."
    ),
]
FreezeTrunk = Annotated[
    bool,
    typer.Option(
        "--freeze-trunk", help="Train the head alone, so that stored features stay valid."
    ),
]
Tolerance = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="POINTS",
        help="Loss of macro AP on old labels that is allowed; of one, 4 times.",
    ),
]
NoPromote = Annotated[bool, typer.Option("--no-promote", help="Leave `current` as it is.")]
RetrainName = Annotated[
    str | None, typer.Option(help="The bundle becomes NAME-vK; by default the parent's name.")
]
RetrainEpochs = Annotated[
    int | None, typer.Option(min=1, help="Passes; by default half the work of train.")
]
RetrainResume = Annotated[
    bool,
    typer.Option("--resume", help="Go on from the last epoch of an interrupted retraining."),
]
PackDatasets = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET...", help="Labelled sets with pictures of the model's test part."
    ),
]
Out = Annotated[str, typer.Option(metavar="DIR", help="The new bundle's folder.")]
PromoteModel = Annotated[str, typer.Argument(metavar="MODEL", help="A bundle's folder.")]
Force = Annotated[bool, typer.Option("--force", help="Even if it did not pass its gate.")]
Folder = Annotated[str, typer.Argument(metavar="DIR", help="Where bundles are kept.")]
UsedBy = Annotated[
    list[str] | None,
    typer.Option(
        metavar="INDEX",
        help="An index that these models score: which of them its rows name; may be repeated.",
    ),
]
Prune = Annotated[
    bool,
    typer.Option(
        "--prune",
        help="List what nothing needs, and why the rest stays; versions only where --index was "
        "given.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="With --prune: remove it.")]
