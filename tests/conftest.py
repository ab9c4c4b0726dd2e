"""What the tests of several parts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.controlplane import ControlPlane

CRDS = Path(__file__).parent.parent / "crds"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real Kubernetes API that serves our custom resources, one for the whole run."""
    with ControlPlane() as plane:
        plane.apply_crds(CRDS)
        # kubectl keeps what the API served before; short names fail until it has looked again.
        plane.kubectl("api-resources")
        yield plane
