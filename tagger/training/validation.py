"""What the validation part says of a network that is being fitted, and of which epoch is best."""

from typing import NamedTuple

import numpy as np

from tagger.arrays import Float32Array, Float64Array, Int64Array, Pixels
from tagger.backend import keras, tf
from tagger.evaluation.metrics import macro_average_precision
from tagger.exit_codes import end_if_asked
from tagger.labels.vocabulary import Vocabulary
from tagger.training.backdrops import put_before_backdrops
from tagger.training.calibration import calibrate, least_at_any_scale
from tagger.training.judged import judged
from tagger.training.losses import masked_loss
from tagger.training.recipe import Recipe
from tagger.training.recombining import recombine
from tagger.training.training_data import TrainingData

_BATCH = 64  # pictures that go through the network at once, at most
_RECOMBINED = 4000  # validation pictures at most that are recombined: they are held in memory


class Validation(NamedTuple):
    """What the validation part says after an epoch."""

    loss: float
    recombined_loss: float
    choice_loss: float
    macro_ap: float | None


def predict_logits(
    network: keras.Model, pixels: Pixels, rows: Int64Array, *, batch: int = _BATCH
) -> Float32Array:
    """Return float32 (len(rows), n_labels): the network's logits of these pictures.

    A network of half the size sees them at half the side.
    """
    batches = max(1, -(-len(rows) // batch))
    batch = max(1, -(-len(rows) // batches))  # all of one size, and hardly one padded
    halved = pixels.shape[1] != network.input_shape[1]
    parts = [np.zeros((0, network.output_shape[-1]), np.float32)]
    for start in range(0, len(rows), batch):
        chosen = np.asarray(pixels[rows[start : start + batch]])  # (<= batch, size, size, 3)
        padded = np.zeros((batch, *chosen.shape[1:]), np.float32)  # one shape, one trace
        padded[: len(chosen)] = chosen.astype(np.float32) / 255
        if halved:
            padded = tf.nn.avg_pool2d(padded, 2, 2, "VALID")
        parts.append(network.predict_on_batch(padded)[: len(chosen)])
        end_if_asked()
    return np.concatenate(parts)


def predict_both_ways(network: keras.Model, pixels: Pixels, rows: Int64Array) -> Float32Array:
    """Return float32 (len(rows), n_labels): the mean logits of these pictures and mirrored ones."""
    plain = predict_logits(network, pixels, rows)
    turned = predict_logits(mirrored(network), pixels, rows)
    return np.asarray((plain + turned) / 2, np.float32)


def mirrored(network: keras.Model) -> keras.Model:
    """Return a network that sees pictures the other way round."""
    pictures = keras.Input(network.input_shape[1:])
    return keras.Model(pictures, network(keras.ops.flip(pictures, axis=2)))


def validate(
    network: keras.Model,
    data: TrainingData,
    recipe: Recipe,
    combinations: tuple[Pixels, Float32Array],
    elsewhere: tuple[Pixels, Float32Array],
) -> Validation:
    """Return the losses on the validation part and on recombined pictures, and the former's AP.

    Parameters
    ----------
    combinations : uint8 (n_recombined, size, size, 3) and float32 (n_recombined, n_labels)
        From `recombined_validation`.
    elsewhere : uint8 (n_placed, size, size, 3) and float32 (n_placed, n_labels)
        From `validation_elsewhere`; with backdrops, an epoch is chosen by these.
    """
    logits = predict_logits(network, data.pixels, data.validation)  # (n, n_labels)
    targets = data.targets[data.validation]  # (n, n_labels)
    pixels, taught = combinations
    dyed = predict_logits(network, pixels, np.arange(len(pixels)))  # (n_recombined, n_labels)
    # Begun with a trunk of shops, epoch 1 of 10 was kept by the pictures as they are.
    placed, its_targets = elsewhere
    chosen_by = (logits, targets)
    if recipe.backdrops:
        chosen_by = (predict_logits(network, placed, np.arange(len(placed))), its_targets)

    def losses(logits: Float32Array, targets: Float32Array, scale: float) -> tuple[float, float]:
        loss = float(masked_loss(targets, logits * np.float32(scale)))
        if not len(dyed):
            return loss, loss
        return loss, float(masked_loss(taught, dyed * np.float32(scale)))

    loss, recombined_loss = losses(logits, targets, 1.0)
    return Validation(
        loss=loss,
        recombined_loss=recombined_loss,
        choice_loss=least_at_any_scale(
            lambda scale: recipe.choice_loss(*losses(*chosen_by, scale))
        ),
        macro_ap=macro_average_precision(logits, targets) if len(targets) else None,
    )


def calibrated_loss(network: keras.Model, data: TrainingData) -> float:
    """Return the loss on the validation part after each label was calibrated by it.

    One scale for all labels does not do here: rows of a head that come from a calibrated parent
    win by that alone, and the packaged starter went only 40 % of its way.
    """
    logits, targets = _calibrated(network, data)
    return float(masked_loss(targets, logits))


def calibrated_losses(network: keras.Model, data: TrainingData) -> Float64Array:
    """Return float64 (n,): the loss of each picture of the validation part, calibrated by it.

    It is the mean over what is known of the picture, and NaN where nothing is.
    """
    logits, targets = _calibrated(network, data)
    known = ~np.isnan(targets)  # (n, n_labels)
    wanted = np.where(known, targets, 0)
    losses = np.logaddexp(0, logits.astype(np.float64)) - wanted * logits
    many = known.sum(axis=1)
    total = np.where(known, losses, 0).sum(axis=1)
    return np.where(many > 0, total / np.maximum(many, 1), np.nan)


def _calibrated(network: keras.Model, data: TrainingData) -> tuple[Float32Array, Float32Array]:
    """Return float32 (n, n_labels) twice: logits of the validation part, calibrated by it, and
    targets."""
    logits = predict_logits(network, data.pixels, data.validation)
    targets = data.targets[data.validation]
    scale, shift = calibrate(logits, targets)
    return (logits * scale + shift).astype(np.float32), targets


def validation_elsewhere(data: TrainingData, recipe: Recipe) -> tuple[Pixels, Float32Array]:
    """Return some pictures of the validation part before other backgrounds, and what they show,
    where training puts them there; else none."""
    order = np.random.default_rng([recipe.seed, 5]).permutation(data.validation)
    rows = order[: _RECOMBINED if recipe.backdrops else 0]
    pictures = [np.zeros((0, *data.pixels.shape[1:]), np.uint8)]
    for start in range(0, len(rows), _BATCH):
        pixels = data.pixels[rows[start : start + _BATCH]].astype(np.float32) / 255
        seed = tf.constant([recipe.seed, start])
        placed = put_before_backdrops(tf.constant(pixels), seed, share=1.0).numpy()
        pictures.append(np.round(placed * 255).astype(np.uint8))
        end_if_asked()
    return np.concatenate(pictures), data.targets[rows]


def recombined_validation(
    data: TrainingData, vocabulary: Vocabulary, recipe: Recipe
) -> tuple[Pixels, Float32Array]:
    """Return some pictures of the validation part, recombined, where training recombines."""
    order = np.random.default_rng([recipe.seed, 2]).permutation(data.validation)
    rows = order[: _RECOMBINED if recipe.dyed else 0]
    return _recombined(data, vocabulary, rows, seed=recipe.seed)


def _recombined(
    data: TrainingData, vocabulary: Vocabulary, rows: Int64Array, *, seed: int
) -> tuple[Pixels, Float32Array]:
    """Return the pictures `rows`, each dyed as another of them is, and what they then show.

    They stand for combinations that the labelled set does not have, as far as a drawing can: which
    epoch is best must not be judged by the combinations of the training set alone. Where groups
    cannot be recombined there are none.
    """
    by = judged(vocabulary)
    pictures = [np.zeros((0, *data.pixels.shape[1:]), np.uint8)]
    taught = [np.zeros((0, len(vocabulary)), np.float32)]
    if not (by.shape.any() and by.pixels.any() and len(rows)):
        return pictures[0], taught[0]
    order = np.random.default_rng([seed, 1]).permutation(rows)
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        dyed, shown = recombine(
            tf.constant(data.pixels[chosen].astype(np.float32) / 255),
            tf.constant(data.targets[chosen]),
            tf.range(len(chosen)),
            tf.constant([seed, start]),
            by=by,
        )
        pictures.append(np.round(dyed.numpy() * 255).astype(np.uint8))
        taught.append(shown.numpy())
        end_if_asked()
    return np.concatenate(pictures), np.concatenate(taught)
