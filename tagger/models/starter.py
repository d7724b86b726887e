"""The model that comes with the package, for a first night before anything was trained."""

from pathlib import Path

STARTER = Path(__file__).parents[1] / "starter"
"""Its bundle, packed; its README.md says on what it was trained, and where it
fails."""

STARTER_NAME = "starter"
"""What it is called wherever a model is named."""
