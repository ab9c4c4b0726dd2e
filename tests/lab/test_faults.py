"""A cluster of nodes is hurt in every way we know: never two owners, and somebody takes over.

`python -m lab.faults` does the same many times and prints how long a client waited.
"""

import os
from collections.abc import Iterator

import pytest

from lab.cluster import Lab
from lab.faults import all_faults, run_fault

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces take root"),
]

FAULTS = all_faults(api_outage_seconds=15)
MOVING = [name for name, fault in FAULTS.items() if fault.moves]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        for profile in ("Fast", "Balanced"):
            lab.apply_havip(profile.lower(), election={"profile": profile})
        for profile in ("Fast", "Balanced"):
            lab.wait_ready(profile.lower())
        yield lab


@pytest.mark.parametrize("havip", ["fast", "balanced"])
@pytest.mark.parametrize("fault", MOVING)
def test_another_node_takes_over_and_never_are_there_two_owners(
    lab: Lab, havip: str, fault: str
) -> None:
    result = run_fault(lab, havip, FAULTS[fault])

    assert result.double == ""
    assert len(result.holders) == 2
    assert result.outage < float("inf")


@pytest.mark.parametrize("havip", ["fast", "balanced"])
def test_no_client_notices_that_the_api_server_is_away(lab: Lab, havip: str) -> None:
    result = run_fault(lab, havip, FAULTS["api-outage"])

    assert result.double == ""
    assert len(result.holders) == 1
    assert result.lost == 0


def test_a_deleted_havip_leaves_nothing_in_the_cloud_nor_on_the_nodes(lab: Lab) -> None:
    lab.apply_havip("gone")
    lab.wait_ready("gone")
    address = lab.address("gone")
    owners = lab.owners(address)
    lab.until("it is owned", lambda: owners.report().now, 10)

    lab.kubectl("delete", "hv", "gone", "--timeout=60s")

    lab.until("it is owned no more", lambda: not owners.report().now, 10)
    assert owners.stop().overlaps == ()
    assert address not in [each["address"] for each in lab.cloud.ha_vips()]
    assert lab.curl(address) == ""
