"""From a labelled set to a saved bundle: one training, whatever it starts from."""
