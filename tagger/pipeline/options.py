"""What is asked of a training, whatever it starts from."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What is asked of a training, whatever it starts from.

    Attributes
    ----------
    datasets : tuple of str
        Labelled sets, see `tagger.datasets.names.read_sets`; none where corrections are given.
    models : Path
        Where bundles are kept.
    family : str
        The bundle becomes FAMILY-vK.
    unlabelled : str, optional
        A catalog whose pictures teach without labels.
    corrections : str, optional
        An index whose corrections are labels too.
    names : str, optional
        A table of what labels of the sets are called here.
    exclude : tuple of str
        Patterns of what to leave out of the sets.
    columns : str, optional
        Which headers of the tables among the sets are what.
    image_root : str, optional
        The folder below which the tables' pictures lie.
    epochs : int, optional
        None is the recipe's own number.
    seed : int
        Of the split and of everything random.
    min_precision : float, optional
        See `tagger.training.calibration.choose_thresholds`.
    skip_problems : float, optional
        How many pictures, in percent, may have problems, so that the rest of them is used; None:
        none, see `tagger.datasets.problem_budget.settle_problems`.
    promote : bool
        Whether it may become current, if it is good enough.
    resume : bool
        Whether to go on from an interrupted training of the same.
    workers : int
        Processes that decode; 0 is one per core.
    command : str
        What a person typed, for the model's card.
    """

    datasets: tuple[str, ...]
    models: Path
    family: str
    corrections: str | None = None
    unlabelled: str | None = None
    names: str | None = None
    exclude: tuple[str, ...] = ()
    columns: str | None = None
    image_root: str | None = None
    epochs: int | None = None
    seed: int = 0
    min_precision: float | None = None
    skip_problems: float | None = None
    promote: bool = True
    resume: bool = False
    workers: int = 0
    command: str = ""

    @property
    def source(self) -> str:
        """Return what the labelled sets, and the corrected index, are called."""
        names = [last_part(each) for each in self.datasets]
        if self.corrections is not None:
            names.append(f"the corrections of {last_part(self.corrections)}")
        return " and ".join(names)


def last_part(path: str) -> str:
    """Return what a path is called.

    A card goes to strangers, whom the rest of it does not concern.
    """
    return os.path.basename(os.path.normpath(path))
