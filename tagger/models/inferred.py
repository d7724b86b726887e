"""What is asked of every predictor, and what it answers."""

from typing import NamedTuple, Protocol

from tagger.arrays import Float32Array, Pixels
from tagger.errors import BundleError
from tagger.models.bundle import Bundle


class Inferred(NamedTuple):
    """What the network makes of pictures.

    Attributes
    ----------
    logits : float32 (n, n_labels)
    features : float32 (n, n_features)
        What the head is applied to.
    """

    logits: Float32Array
    features: Float32Array


class Predictor(Protocol):
    """What all of them are; `backend` is what the run's record calls it."""

    @property
    def backend(self) -> str:
        """Return what computes the next picture."""
        ...

    def infer(self, pixels: Pixels) -> Inferred:
        """Return logits and features for uint8 (n, size, size, 3) RGB, n at most `CHUNK`."""
        ...


def check_outputs(bundle: Bundle, found: dict[str, int]) -> None:
    """Raise BundleError unless a network has the outputs of a vocabulary.

    Parameters
    ----------
    found : dict
        Name of each output to its width.
    """
    vocabulary = bundle.vocabulary
    wanted = {"logits": len(vocabulary), "scores": len(vocabulary), "features": bundle.width}
    wanted |= {
        group.name: len(vocabulary.members(group.name)) + 1 for group in vocabulary.exclusive_groups
    }
    if found != wanted:
        raise BundleError(
            f"model {str(bundle.path)!r}: the network's outputs {found} are not those of its "
            f"vocabulary, {wanted}"
        )
