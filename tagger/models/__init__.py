"""A saved model: the bundle, its card, packing, and the predictor that runs it."""
