"""The head before the trunk: a linear model of the features that a given trunk has.

A head that begins with nothing sends its first, large errors into the trunk, and a small set has no
steps to repair that: so the head is fitted first. Source: A. Kumar et al., "Fine-tuning can distort
pretrained features and underperform out-of-distribution", 2022.
"""

from typing import Any

import numpy as np

from schemas.bundle import HEAD
from tagger.arrays import Float32Array
from tagger.backend import keras, tf
from tagger.exit_codes import end_if_asked
from tagger.labels.vocabulary import Vocabulary
from tagger.training.losses import combined_loss
from tagger.training.network import LAST_OF_TRUNK
from tagger.training.recipe import Recipe
from tagger.training.training_data import TrainingData
from tagger.training.validation import mirrored, predict_logits

STEPS = 200
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
BATCH = 4096
"""Pictures, and mirrored ones, of a step: all of a small set."""
DROPPED = 0.5
"""Share of the features that a step does not see, as in the network."""


def fit_head(
    network: keras.Model, data: TrainingData, vocabulary: Vocabulary, recipe: Recipe
) -> None:
    """Fit the head of `network`, in place, to the features of the train part as they are.

    Each picture is seen as it is and mirrored.
    """
    features = _features(network, data)  # (2 n, n_features)
    targets = np.concatenate([data.targets[data.train]] * 2)
    groups = [vocabulary.members(group.name) for group in vocabulary.exclusive_groups]
    head = network.get_layer(HEAD)
    optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    optimizer.build(head.trainable_variables)

    def step(x: Any, y: Any, seed: Any) -> None:
        kept = tf.random.stateless_uniform(tf.shape(x), seed) >= DROPPED
        x = tf.where(kept, x / (1 - DROPPED), 0.0)
        with tf.GradientTape() as tape:
            loss = combined_loss(y, head(x), groups, view=recipe.view, smoothing=recipe.smoothing)
        optimizer.apply(tape.gradient(loss, head.trainable_variables), head.trainable_variables)

    compiled = tf.function(step, autograph=False, reduce_retracing=True)
    for number in range(STEPS):
        drawn = np.random.default_rng([recipe.seed, 3, number]).permutation(len(features))[:BATCH]
        seed = tf.constant([recipe.seed, number], tf.int32)
        compiled(tf.constant(features[drawn]), tf.constant(targets[drawn]), seed)
        end_if_asked()


def _features(network: keras.Model, data: TrainingData) -> Float32Array:
    """Return the features of the train part, float32 (2 n, n_features): as it is, and mirrored."""
    trunk = keras.Model(network.input, network.get_layer(LAST_OF_TRUNK).output)
    both = (trunk, mirrored(trunk))
    return np.concatenate([predict_logits(each, data.pixels, data.train) for each in both])
