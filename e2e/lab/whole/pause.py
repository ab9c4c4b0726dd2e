"""The image that keeps a pod together, made here: there is no registry to pull it from."""

from __future__ import annotations

from pathlib import Path

from lab.network import run
from lab.whole.controlplane import DIRECTORY
from lab.whole.node import PAUSE_IMAGE

BUILDAH = ("buildah", "--storage-driver=vfs", f"--root={DIRECTORY / 'images' / 'storage'}")


def pause_archive() -> Path:
    """Make the image whose one process keeps a pod's namespaces; return its archive.

    Raises lab.network.NetworkError with buildah's words.
    """
    archive = DIRECTORY / "images" / "pause.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    container = run(*BUILDAH, "from", "scratch").strip()
    try:
        run(*BUILDAH, "copy", "--quiet", container, "/bin/busybox", "/busybox")
        entrypoint = '["/busybox", "sleep", "infinity"]'
        run(*BUILDAH, "config", f"--entrypoint={entrypoint}", container)
        run(*BUILDAH, "commit", "--quiet", container, f"docker-archive:{archive}:{PAUSE_IMAGE}")
    finally:
        run(*BUILDAH, "rm", container)
    return archive
