"""Pictures of a night that look like one of it, where the nightly job keeps features."""

from tagger.errors import InputError
from tagger.index.look_alikes import Gallery
from tagger.index.snapshots import Snapshot
from tagger.index.store import Index
from tagger.models.bundle import load_bundle

_MOST = 24


class LookAlikes:
    """Look-alikes in the night that was asked about last; its gallery is kept.

    Parameters
    ----------
    index : Index
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._gallery: tuple[str, Gallery] | None = None

    def like(self, snapshot: Snapshot, content: str) -> list[str]:
        """Return the names of the pictures most like one, a name for each content.

        Raises
        ------
        InputError
            If there are no features, or the model that made them is gone.
        """
        gallery = self._gallery_of(snapshot)
        features = gallery.features_of(content)
        if features is None:
            raise InputError(
                "this picture has no features yet: 'tagger tag --features --full' makes them"
            )
        return [found.image_id for found in gallery.like(features, _MOST, but=content)]

    def _gallery_of(self, snapshot: Snapshot) -> Gallery:
        name = snapshot.path.name
        if self._gallery is None or self._gallery[0] != name:
            bundle = load_bundle(self._index.featured_model())
            self._gallery = name, Gallery(self._index, snapshot, bundle)
        return self._gallery[1]
