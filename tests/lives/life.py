"""What a life is: what others have in the cloud, and scene by scene what the user wants of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from havip.simcloud.topology import Eip as EipBefore
from havip.simcloud.topology import NetworkInterface, RouteEntry, RouteTable, Topology, sample
from tests.lives.picture import NEW, Eip, HaVip, Picture
from tests.simcloud.sdk import Sdk

Json = Mapping[str, Any]

NODES = ("node1", "node2", "node3")
STRANGER = "i-node4"
"""An instance that is no node of the cluster."""
TABLE, OTHER_TABLE = "vtb-sim", "vtb-two"
OWN_EIP = "eip-own"
"""The user's, bound to nothing."""
FOUND_EIP = "eip-found"
"""Bound to the HaVip that is adopted."""
STRANGERS_EIP = "eip-strange"
ADOPTED_ADDRESS = "10.77.0.200"
ADOPTED = "the adopted one"
"""Stands for the id of the HaVip that others made."""


def topology() -> Topology:
    """What all lives begin with; some of it is others', and in nobody's way."""
    common = sample(4)
    return common.model_copy(
        update={
            "network_interfaces": (
                NetworkInterface.model_validate(
                    {
                        "networkInterfaceId": "eni-free",
                        "vSwitchId": "vsw-sim",
                        "privateIpAddress": "10.77.0.90",
                        "macAddress": "02:00:0a:4d:00:5a",
                    }
                ),
            ),
            "eips": tuple(
                EipBefore.model_validate({"allocationId": id_, "ipAddress": address, **bound})
                for id_, address, bound in (
                    (OWN_EIP, "198.51.100.1", {}),
                    (FOUND_EIP, "198.51.100.2", {}),
                    (
                        STRANGERS_EIP,
                        "198.51.100.3",
                        {"instanceType": "EcsInstance", "instanceId": STRANGER},
                    ),
                )
            ),
            "route_tables": (
                RouteTable(
                    route_table_id=TABLE,
                    vpc_id="vpc-sim",
                    route_table_type="System",
                    entries=(
                        RouteEntry.model_validate(
                            {
                                "destinationCidrBlock": "10.200.0.0/16",
                                "nextHopType": "Instance",
                                "nextHopId": STRANGER,
                            }
                        ),
                    ),
                ),
                RouteTable(route_table_id=OTHER_TABLE, vpc_id="vpc-sim"),
            ),
        }
    )


def nothing_before(_sdk: Sdk, _wait: Callable[[], None]) -> str:
    """Let the life begin with what all begin with."""
    return ""


def another_ha_vip(sdk: Sdk, wait: Callable[[], None]) -> str:
    """Make what is adopted later: it has a member, an EIP, a route, a name and a tag."""
    ha_vip_id = str(
        sdk.create(
            ip_address=ADOPTED_ADDRESS, name="theirs", description="made by hand", tags={"a": "b"}
        ).ha_vip_id
    )
    wait()
    sdk.associate(ha_vip_id, STRANGER)
    wait()
    sdk.bind_eip(FOUND_EIP, ha_vip_id)
    wait()
    sdk.route("10.50.0.0/16", ha_vip_id)
    wait()
    return ha_vip_id


@dataclass(frozen=True)
class Has:
    """What the cloud has for the object at the end of a scene."""

    ha_vip: HaVip
    eip: Eip | None = None
    """Its EIP, if that is one that was allocated for it."""
    names_eip: str = ""
    """Its EIP, if that is one that there was."""
    routes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One edit, and what it leads to."""

    title: str
    spec: Json | None
    """What the user applies; None deletes the object."""
    has: Has | None
    """None when nothing is left but what others had."""
    holder: str = ""
    """Node that owns the address from here on, as its agent writes into the register."""
    also: Callable[[Picture], Picture] = lambda before: before
    """What becomes of what others had."""

    @property
    def suspends(self) -> bool:
        """Whether nothing is to change in the cloud."""
        return self.spec is not None and bool(self.spec.get("suspend"))

    @property
    def keeps(self) -> bool:
        """Whether the object goes, and what it had stays."""
        return self.spec is None and self.has is not None

    def wanted(self, before: Picture) -> Picture:
        """Return what must be in the cloud at the end of it."""
        before = self.also(before)
        if self.has is None:
            return before
        own = ADOPTED if ADOPTED in before.ha_vips else NEW
        eips = dict(before.eips)
        if self.has.eip is not None:
            eips[NEW] = replace(self.has.eip, bound_to=own)
        if self.has.names_eip:
            eips[self.has.names_eip] = replace(eips[self.has.names_eip], bound_to=own)
        return Picture(
            {**before.ha_vips, own: self.has.ha_vip},
            eips,
            {**before.routes, **dict.fromkeys(self.has.routes, own)},
        )


@dataclass(frozen=True)
class Life:
    """From the first apply until the object is gone."""

    name: str
    scenes: tuple[Scene, ...]
    before: Callable[[Sdk, Callable[[], None]], str] = nothing_before
    """Makes what others have, given how to wait, and returns the id of the HaVip among it."""
    takes: tuple[str, ...] = ()
    """Ids of what others made that the user gives away: it may be changed, too."""
