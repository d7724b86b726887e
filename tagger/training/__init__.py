"""Fitting a network: layers, augmentation, losses, checkpoints, calibration."""
