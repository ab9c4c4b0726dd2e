"""The operator's images, built by its Dockerfile without a registry.

    python -m lab.images        build both and say how large they are and how fast they start

The base is made of Debian packages, once per machine. Each image ends up in an archive that
containerd and others import. Takes root, buildah and mmdebstrap.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

from lab.binaries import cache
from lab.progress import step

ROOT = Path(__file__).resolve().parent.parent.parent
ARCHIVES = ROOT / ".lab" / "images"
SUITE = "bookworm"
BASE = f"localhost/havip-base:{SUITE}"
# The entry point of each, the image's target in the Dockerfile being its key.
PROGRAMS = {"agent": "havip.agent.main", "controller": "havip.controller.main"}
# What nobody reads in a container.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class ImageError(Exception):
    """An image could not be built; the text says what was run and what it said."""


def archive(program: str) -> Path:
    """Return where the image of "agent" or "controller" is kept once it is built."""
    return ARCHIVES / f"{program}.tar"


def name(program: str) -> str:
    """Return the name of the image of "agent" or "controller", with its tag."""
    return f"localhost/havip-{program}:{_version()}"


def build(program: str) -> Path:
    """Build an image from the sources as they are now, and return its archive.

    Raises ImageError with the end of what the builder said.
    """
    if os.geteuid() != 0:
        raise ImageError("images are built in a root file system of their own: use sudo")
    _have_base()
    image = name(program)
    with step(f"building the image {image}", "about 3 min the first time"):
        _buildah(
            *("bud", "--quiet", "--isolation=chroot", "--layers", "--pull-never"),
            # Whom this machine trusts, so that packages come through its proxies; not kept.
            "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
            *(f"--build-arg=BASE={BASE}", f"--target={program}", f"--tag={image}", str(ROOT)),
        )
        ARCHIVES.mkdir(parents=True, exist_ok=True)
        archive(program).unlink(missing_ok=True)
        _buildah("push", "--quiet", image, f"oci-archive:{archive(program)}:{image}")
    return archive(program)


def describe(program: str) -> str:
    """Return a line about a built image: size, what must not be in it, and how fast it starts."""
    container = _buildah("from", "--pull-never", name(program)).strip()
    try:
        root = Path(_buildah("mount", container).strip())
        size = int(_run("du", "--summarize", "--bytes", str(root)).split()[0]) / 1e6
        packed = archive(program).stat().st_size / 1e6
        tools = [tool for tool in ("gcc", "cc", "ld", "pip", "pip3") if _has(root, tool)]

        def inside(*command: str) -> None:
            _run("chroot", str(root), "/usr/bin/env", "PATH=/opt/havip/bin:/usr/bin", *command)

        helps = _seconds(lambda: inside("havip", "--help"))
        loads = _seconds(lambda: inside("python", "-c", f"import {PROGRAMS[program]}"))
    finally:
        _buildah("rm", container)
    if tools:
        raise ImageError(f"the image of the {program} has {', '.join(tools)} in it")
    return (
        f"{program:<12}{size:4.0f} MB, {packed:.0f} MB packed;"
        f" --help after {helps:.2f} s, its parts loaded after {loads:.2f} s"
    )


def _have_base() -> None:
    if _buildah("images", "--quiet", "--filter", f"reference={BASE}").strip():
        return
    tar = cache() / "images" / f"{SUITE}.tar"
    if not tar.exists():
        tar.parent.mkdir(parents=True, exist_ok=True)
        unfinished = tar.with_suffix(f".{os.getpid()}.unfinished.tar")
        with step("making the images' base of Debian packages", "about 2 min, once per machine"):
            _run(
                *("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"),
                # /usr is merged from the start, so what merges it, which is in Perl, stays out.
                "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
                "--include=usr-is-merged,ca-certificates,python3",
                *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
                *(SUITE, str(unfinished)),
            )
        unfinished.rename(tar)
    container = _buildah("from", "scratch").strip()
    try:
        _buildah("add", "--quiet", container, str(tar), "/")
        _buildah("commit", "--quiet", container, BASE)
    finally:
        _buildah("rm", container)


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    version: str = project["version"]
    return version


def _has(root: Path, tool: str) -> bool:
    return any(
        (root / folder / tool).exists() for folder in ("usr/bin", "usr/local/bin", "opt/havip/bin")
    )


def _seconds(work: Callable[[], None]) -> float:
    """Return how long it takes once the disk has been read."""
    work()
    began = time.monotonic()
    work()
    return time.monotonic() - began


def overlays(folder: Path) -> bool:
    """Tell whether files in a folder can be laid over others, which spares copying every layer.

    One overlay cannot lie on another, which a machine that is a container itself often has.
    """
    there = next(each for each in (folder, *folder.parents) if each.exists())
    below = _run("stat", "--file-system", "--format=%T", str(there)).strip()
    has_overlay = "\toverlay\n" in Path("/proc/filesystems").read_text()
    return has_overlay and below != "overlayfs"


def _buildah(*arguments: str) -> str:
    kept = cache() / "images"
    driver = "overlay" if overlays(kept) else "vfs"
    return _run("buildah", f"--storage-driver={driver}", f"--root={kept / driver}", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise ImageError(f"`{' '.join(command)}` failed:\n{said}")
    return done.stdout


def main() -> int:
    """Build both; return the exit status."""
    try:
        for program in PROGRAMS:
            build(program)
        for program in PROGRAMS:
            print(describe(program))
    except ImageError as trouble:
        print(f"\nno images: {trouble}", file=sys.stderr)
        return 1
    print(f"They are in {ARCHIVES.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
