"""TensorFlow and Keras, loaded in one place, late, and without their start-up chatter.

`TF_CPP_MIN_LOG_LEVEL` does not reach what a CPU build says while it is being loaded (that there is no GPU, that oneDNN
is on), so standard error is put aside for that moment. Whatever is really wrong raises.
"""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_saved = os.dup(2)
with tempfile.TemporaryFile() as _aside:
    os.dup2(_aside.fileno(), 2)
    try:
        import keras
        import tensorflow as tf
    finally:
        os.dup2(_saved, 2)
        os.close(_saved)

__all__ = ["keras", "tf"]
