"""TensorFlow and Keras, loaded in one place, late, and without their start-up chatter.

`TF_CPP_MIN_LOG_LEVEL` does not reach what a CPU build says while it is being loaded (that there is
no GPU, that oneDNN is on), so standard error is put aside for that moment. Whatever is really wrong
raises. Keras would read settings that the user has for other work, and write them where there are
none (`~/.keras`); here it finds no such place.

Two things are set before that, each measured on two cores with a step of 32 pictures at 96 x 96.
The C library keeps freed memory: a step frees and takes the same hundred megabytes again, and by
default every one of their pages goes back to the kernel in between (0.51 to 0.66 s without, 0.44 to
0.50 s with it). And oneDNN is on: TensorFlow leaves it off on processors without AVX-512, where its
convolutions are faster too (0.51 s without, 0.34 s with it).
"""

import ctypes
import os
from pathlib import Path

from tagger.cache import keep_matplotlib_here
from tagger.libraries import require

require("keras", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")

keep_matplotlib_here()

# malloc.h of the GNU C library
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def _keep_freed_memory() -> None:
    tune = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if tune is not None:  # the GNU C library; others manage without
        settings = {
            _M_ARENA_MAX: 1,
            _M_MMAP_MAX: 0,
            _M_TRIM_THRESHOLD: 2**31 - 1,
            _M_TOP_PAD: 2**28,
        }
        for name, value in settings.items():
            tune(name, value)


_keep_freed_memory()
_saved = os.dup(2)
with open(os.devnull, "w") as _aside:
    os.dup2(_aside.fileno(), 2)
    try:
        import keras
        import tensorflow as tf
    finally:
        os.dup2(_saved, 2)
        os.close(_saved)

__all__ = ["fitting_dtype", "keras", "tf"]


def fitting_dtype() -> str:
    """Return the Keras policy that a trunk is fitted with: mixed_bfloat16 where the processor
    computes in it.

    Weights, losses and updates stay float32. Measured on two cores of a Zen 4, 64 pictures a step:
    0.35 s in float32, 0.21 s in this. Where bfloat16 is emulated it is slower than float32.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:  # not Linux
        flags = []
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
