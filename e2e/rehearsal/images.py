"""The operator's images: built, put on the nodes, and given the tags of two versions."""

from __future__ import annotations

import os
from pathlib import Path

from rehearsal.installing import NEW_TAG, OLD_TAG
from rehearsal.setting import Setting


def load(setting: Setting) -> None:
    """Put the images on every node."""
    for name in ("agent", "controller"):
        archive = Path(os.environ["IMAGES"], f"{name}.tar")
        setting.cluster.load(archive)
        for tag in (OLD_TAG, NEW_TAG):
            setting.cluster.tag(f"localhost/havip-{name}:0.1.0", f"localhost/havip-{name}:{tag}")
