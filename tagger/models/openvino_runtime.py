"""OpenVINO, loaded in one place, late, and without its telemetry.

Importing it counts that over the network, and writes an id of this user into the home folder. Both
are the work of a package of its own, which OpenVINO does without where it is not there.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402 - only after its telemetry was kept out

__all__ = ["openvino"]
