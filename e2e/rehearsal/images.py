"""The operator's images: built, put on the nodes, and given the tags of two versions."""

from __future__ import annotations

from pathlib import Path

from lab import images
from lab.whole.cluster import WholeCluster
from rehearsal.installing import NEW_TAG, OLD_TAG


def build() -> dict[str, Path]:
    """Build both images from the sources as they are; return their archives by program."""
    return {program: images.build(program) for program in images.PROGRAMS}


def load(cluster: WholeCluster, archives: dict[str, Path]) -> None:
    """Put the images on every node, as two versions."""
    for program, archive in archives.items():
        cluster.load(archive)
        image = images.name(program)
        for tag in (OLD_TAG, NEW_TAG):
            cluster.tag(image, f"{image.rpartition(':')[0]}:{tag}")
