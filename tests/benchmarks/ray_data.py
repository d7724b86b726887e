"""The Ray Data chain of its documentation: read_images, map_batches with a class, write_parquet.

usage: ray_data.py MODEL.keras DIR OUT
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import numpy as np
import ray


class Predictor:
    def __init__(self, path: str) -> None:
        import keras

        self.model = keras.models.load_model(path, compile=False)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = self.model(batch["image"].astype(np.float32) / 255, training=False)
        return {"path": batch["path"], "scores": np.asarray(found["scores"])}


ray.init(
    address="local",
    num_cpus=len(os.sched_getaffinity(0)),
    include_dashboard=False,
    log_to_driver=False,
    logging_level="error",
)
pictures = ray.data.read_images(sys.argv[2], size=(96, 96), mode="RGB", include_paths=True)
scored = pictures.map_batches(
    Predictor,
    fn_constructor_args=[sys.argv[1]],
    batch_size=64,
    compute=ray.data.ActorPoolStrategy(size=1),
)
scored.write_parquet(sys.argv[3])
print(ray.data.read_parquet(sys.argv[3]).count())
