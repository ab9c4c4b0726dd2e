"""Every action of the cloud's API that the adapter may call, and what a policy must grant for it.

The adapter refuses to call what is not here, so policies made from the table are complete.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

ANYTHING = ("*",)
HA_VIPS = ("acs:vpc:*:*:havip/*",)
HA_VIPS_AND_V_SWITCHES = (*HA_VIPS, "acs:vpc:*:*:vswitch/*")
# The cloud's pages name the instance without the product it is of.
HA_VIPS_AND_INSTANCES = (*HA_VIPS, "acs:vpc:*:*:instance/*", "acs:ecs:*:*:instance/*")


class Feature(StrEnum):
    """What somebody may use or leave alone, with the permissions it takes."""

    CORE = "core"
    """HaVips with instances as members: needed always."""
    EIP = "eip"
    ROUTES = "routes"
    NETWORK_INTERFACES = "network-interfaces"
    """Network interfaces as members."""


class Product(StrEnum):
    """Which API an action is of, as policies spell it."""

    VPC = "vpc"
    ECS = "ecs"
    STS = "sts"


@dataclass(frozen=True, slots=True)
class Action:
    """One action."""

    name: str
    product: Product
    changes: bool
    """Whether it changes something, so that a lost answer leaves its outcome unknown."""
    grants: Mapping[Feature, tuple[str, ...]]
    """Features that call it, each with the resources it is called on. None: every key may."""

    @property
    def permission(self) -> str:
        """Its name in policies, as in ``vpc:CreateHaVip``."""
        return f"{self.product}:{self.name}"


def _reads(product: Product, feature: Feature, *names: str) -> tuple[Action, ...]:
    return tuple(Action(name, product, False, {feature: ANYTHING}) for name in names)


def _changes(feature: Feature, resources: tuple[str, ...], *names: str) -> tuple[Action, ...]:
    return tuple(Action(name, Product.VPC, True, {feature: resources}) for name in names)


_TABLE = (
    Action("GetCallerIdentity", Product.STS, False, {}),
    *_reads(Product.VPC, Feature.CORE, "DescribeHaVips", "DescribeVSwitches"),
    *_reads(Product.ECS, Feature.CORE, "DescribeInstances"),
    *_changes(Feature.CORE, HA_VIPS_AND_V_SWITCHES, "CreateHaVip"),
    *_changes(Feature.CORE, HA_VIPS, "DeleteHaVip", "ModifyHaVipAttribute"),
    *(
        Action(
            name,
            Product.VPC,
            True,
            {Feature.CORE: HA_VIPS_AND_INSTANCES, Feature.NETWORK_INTERFACES: ANYTHING},
        )
        for name in ("AssociateHaVip", "UnassociateHaVip")
    ),
    *(
        Action(name, Product.VPC, True, {Feature.CORE: HA_VIPS, Feature.EIP: ANYTHING})
        for name in ("TagResources", "UnTagResources", "MoveResourceGroup")
    ),
    *_reads(Product.VPC, Feature.EIP, "DescribeEipAddresses"),
    *_changes(
        Feature.EIP,
        ANYTHING,
        "AllocateEipAddress",
        "ReleaseEipAddress",
        "ModifyEipAddressAttribute",
        "AssociateEipAddress",
        "UnassociateEipAddress",
    ),
    *_reads(Product.VPC, Feature.ROUTES, "DescribeRouteTableList", "DescribeRouteEntryList"),
    *_changes(Feature.ROUTES, ANYTHING, "CreateRouteEntry", "DeleteRouteEntry"),
    *_reads(Product.ECS, Feature.NETWORK_INTERFACES, "DescribeNetworkInterfaces"),
)

ACTIONS: Mapping[str, Action] = {action.name: action for action in _TABLE}
"""The table, by the action's name."""
