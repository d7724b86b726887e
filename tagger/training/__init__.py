"""Fitting a network: layers, augmentation, losses, checkpoints, calibration. With `tagger.backend`,
all of TensorFlow."""
