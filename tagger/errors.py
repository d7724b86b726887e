"""Every error this product raises on purpose, and the exit code each one ends a command with.

TaggerError                    1   unexpected failure; nothing published
├── InputError                 2   wrong usage or unusable input
│   ├── DatasetError           2   a labelled set that cannot be trained or measured on
│   ├── VocabularyError        2   labels or groups that contradict each other
│   ├── BundleError            2   a model bundle that is missing, damaged or not ours
│   └── StoreError            2   an index that is missing, damaged, not ours or of another catalog
├── Refused                    3   the run would have published something doubtful
├── Locked                     4   another run holds the lock
├── GateFailed                 5   refused: the model did not pass its gate
├── TimeUp                     7   the time given was up; what was done is kept
├── EngineError                9   a search engine that could not be made equal to the night
├── MachineFault               1   the machine lacks what a run needs: memory, handles ...
└── TrainingDiverged           1   the loss stopped being a number

Two commands end with a code of their own though nothing kept them from their work: `verify` with 6
where it found faults, `status` with 8 where readers see no night that is good and young enough.
"""

from schemas.record import Record


class TaggerError(Exception):
    """Something the product cannot do; the message names what was received and what to do next."""

    exit_code = 1
    report: Record | None = None
    """What `--json` prints all the same: the counts of a night that ended so."""


class InputError(TaggerError):
    """Wrong usage or unusable input."""

    exit_code = 2


class DatasetError(InputError):
    """A labelled set that cannot be trained or measured on."""


class VocabularyError(InputError):
    """Labels or groups that contradict each other."""


class BundleError(InputError):
    """A model bundle that is missing, damaged or not ours."""


class StoreError(InputError):
    """An index that is missing, damaged, not ours or of another catalog."""


class Refused(TaggerError):
    """The run would have published something doubtful, so it published nothing."""

    exit_code = 3


class Locked(TaggerError):
    """Another run holds the lock."""

    exit_code = 4


class GateFailed(TaggerError):
    """The model is worse than its parent on old labels, or, trained from nothing, no better than
    guessing."""

    exit_code = 5


class TimeUp(TaggerError):
    """The time that was given is up; what was done is kept in staging, and nothing was
    published."""

    exit_code = 7


class EngineError(TaggerError):
    """A search engine that could not be made equal to the night: away, busy, or it refused
    documents."""

    exit_code = 9


class MachineFault(TaggerError):
    """The machine lacks what a run needs: memory, handles, a temporary folder; no file and no model
    is to blame."""


class TrainingDiverged(TaggerError):
    """The loss stopped being a number."""
