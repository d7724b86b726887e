"""The network: SmallerVGGNet, one sigmoid head over the vocabulary, a view per exclusive group.

Source: A. Rosebrock, "Multi-label classification with Keras", PyImageSearch, 2018; blocks after
Simonyan and Zisserman, arXiv 1409.1556.
"""

from typing import Any

from schemas.bundle import HEAD
from tagger.arrays import Float64Array
from tagger.backend import fitting_dtype, keras, tf
from tagger.errors import BundleError
from tagger.labels.vocabulary import Vocabulary
from tagger.training.architecture import Architecture

MOMENTUM = 0.9
"""Of batch normalisation's running statistics.

With Keras's 0.99 they lag hundreds of steps behind the weights: after a short training the network
answered nothing at all, and from epoch to epoch the validation loss jumped threefold.
"""


LAST_OF_TRUNK = "dense_norm"
"""The layer whose output is the features; the dropout between it and the head only trains."""

# Of each of the three blocks.
_CONVOLUTIONS = (1, 2, 2)
_POOLS = (3, 2, 2)


class FusedNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras ships no types
    """Batch normalisation that trains in one operation.

    Keras 3 takes a dozen, each a pass over the whole tensor. The same weights and the same results
    but for the running variance, which is the unbiased one. Only for fitting: a bundle has Keras's
    own layer. Measured on two cores, 64 pictures a step: 0.53 s with this, 0.71 s without.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised inputs, (n, height, width, channels) or (n, units)."""
        if not (training and self.trainable) or len(inputs.shape) != 4:
            return super().call(inputs, training=training, mask=mask)
        nothing = tf.constant([], tf.float32)
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=nothing,
            variance=nothing,
            epsilon=self.epsilon,
            is_training=True,
        )
        for running, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running * self.momentum + now * (1 - self.momentum))
        return normalised


class ByteDropout(keras.layers.Dropout):  # type: ignore[misc]  # Keras ships no types
    """Dropout that draws a byte for each value, where Keras draws four.

    The share that is dropped is so a multiple of 1/256. Only for fitting. Of a step of 64 pictures,
    its draws took 24 ms, and take 8.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return (n, height, width, channels): a share of the inputs 0, the rest larger."""
        dropped = round(self.rate * 256)
        if not (training and dropped):
            return inputs
        shape = tf.shape(inputs)
        many = tf.reduce_prod(shape)
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        drawn = tf.random.stateless_uniform([(many + 3) // 4], seed, None, None, tf.uint32)
        draws = tf.reshape(tf.reshape(tf.bitcast(drawn, tf.uint8), [-1])[:many], shape)
        return tf.where(draws >= dropped, inputs * (256 / (256 - dropped)), 0)


def begin_anew() -> None:
    """Forget the networks of this process: the same seed then gives the same bytes.

    Operations are named by counting, and some are only as exact as their order, unless told so.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.clear_session()


def build_network(
    architecture: Architecture,
    labels: int,
    *,
    seed: int = 0,
    fitting: bool = False,
    dropout: float = 0.25,
) -> keras.Model:
    """Return the trunk and its head: pictures in, logits out.

    Pictures are float32 (n, size, size, 3), RGB in [0, 1]; logits float32 (n, labels). With the
    default sizes and six labels it has 8,679,302 parameters. With `fitting` its normalisation is
    `FusedNormalization`, its blocks' dropout `ByteDropout`, and its trunk computes in
    `fitting_dtype`; weights fit either, and are float32 in both. The `dropout` is that of the
    blocks.
    """
    normalization = FusedNormalization if fitting else keras.layers.BatchNormalization
    dropping = ByteDropout if fitting else keras.layers.Dropout
    dtype = fitting_dtype() if fitting else "float32"
    seeds = iter(range(seed * 1000, seed * 1000 + 1000))
    size = architecture.size
    x = inputs = keras.Input((size, size, 3), name="pixels")
    blocks = zip(architecture.filters, _CONVOLUTIONS, _POOLS, strict=True)
    for block, (filters, convolutions, pool) in enumerate(blocks, start=1):
        for i in range(convolutions):
            name = f"block{block}_conv{i + 1}"
            start = keras.initializers.GlorotUniform(seed=next(seeds))
            x = keras.layers.Conv2D(
                filters, 3, padding="same", kernel_initializer=start, dtype=dtype, name=name
            )(x)
            x = keras.layers.Activation("relu", dtype=dtype, name=f"{name}_relu")(x)
            x = normalization(momentum=MOMENTUM, dtype=dtype, name=f"{name}_norm")(x)
        # (n, size, size, filters) > (n, size / pool, size / pool, filters)
        x = keras.layers.MaxPooling2D(pool, dtype=dtype, name=f"block{block}_pool")(x)
        name = f"block{block}_dropout"
        x = dropping(dropout, seed=next(seeds), dtype=dtype, name=name)(x)
    x = keras.layers.Flatten(dtype=dtype, name="flatten")(x)  # (n, size / 12 * size / 12 * filters)
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    dense = keras.layers.Dense(
        architecture.dense, kernel_initializer=start, dtype=dtype, name="dense"
    )
    x = dense(x)  # (n, dense)
    x = keras.layers.Activation("relu", dtype=dtype, name="dense_relu")(x)
    x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=LAST_OF_TRUNK)(x)
    x = keras.layers.Dropout(0.5, seed=next(seeds), name="dense_dropout")(x)
    start = keras.initializers.GlorotUniform(seed=next(seeds))
    logits = keras.layers.Dense(labels, kernel_initializer=start, name=HEAD)(x)
    return keras.Model(inputs, logits, name="smaller_vgg_net")


def at_half_size(network: keras.Model) -> keras.Model | None:
    """Return the same layers and weights, applied to pictures of half the side, or None.

    None is returned where that cannot be. Each value that reaches the dense layer stands for four
    of the whole size, so all weights fit. A step costs a third.
    """
    half = network.input_shape[1] // 2
    x = inputs = keras.Input((half, half, 3), name="half_pixels")
    for layer in network.layers[1:]:
        if layer.name == "flatten":
            x = keras.layers.UpSampling2D(2, dtype=layer.dtype_policy, name="half_upsampled")(x)
            if tuple(x.shape) != tuple(layer.input.shape):
                return None
        x = layer(x)
    return keras.Model(inputs, x, name="half_size")


def features_of(network: keras.Model) -> keras.Model:
    """Return the network up to its features: pictures in, (n, dense) out."""
    return keras.Model(network.input, network.get_layer(LAST_OF_TRUNK).output)


def add_views(network: keras.Model, vocabulary: Vocabulary) -> keras.Model:
    """Return the network with its outputs by name.

    `logits` and `scores`, (n, n_labels); `features`, (n, dense), which the head is applied to; and
    per exclusive group (n, k + 1), none last. A view has no weights: it takes its group's logits,
    puts the zero of "none" behind them, and applies softmax.
    """
    logits = network.output
    features = keras.layers.Activation("linear", name="features")(
        network.get_layer(LAST_OF_TRUNK).output
    )
    outputs = {
        "logits": logits,
        "scores": keras.layers.Activation("sigmoid", name="scores")(logits),
    }
    outputs["features"] = features
    for group in vocabulary.exclusive_groups:
        members = keras.ops.take(logits, vocabulary.members(group.name), axis=1)
        outputs[group.name] = keras.layers.Softmax(name=f"view_{group.name}")(
            keras.ops.pad(members, ((0, 0), (0, 1)))
        )
    return keras.Model(network.input, outputs, name="tagger")


def logits_alone(network: keras.Model) -> keras.Model:
    """Return a bundle's network with its logits as the only output."""
    return keras.Model(network.input, network.get_layer(HEAD).output)


def architecture_of(network: keras.Model) -> Architecture:
    """Return the sizes of a network that `build_network` built, of a bundle's too.

    Raises
    ------
    BundleError
        If it is not such a network.
    """
    try:
        one, two, three = (network.get_layer(f"block{block}_conv1").filters for block in (1, 2, 3))
        return Architecture(
            network.input_shape[1], (one, two, three), network.get_layer("dense").units
        )
    except (ValueError, AttributeError) as error:
        raise BundleError(
            f"its network is no SmallerVGGNet, so it cannot be retrained: {error}"
        ) from error


def fold_calibration(network: keras.Model, scale: Float64Array, shift: Float64Array) -> None:
    """Change the head so that it gives `scale * z + shift` where it gave z.

    Parameters
    ----------
    scale, shift : float64 (n_labels,)
    """
    kernel, bias = network.get_layer(HEAD).get_weights()
    network.get_layer(HEAD).set_weights([kernel * scale, bias * scale + shift])
