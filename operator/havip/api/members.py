"""Which nodes are members of a HaVip."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from havip.api.base import Model, Rule
from havip.api.fields import NodeSelector

MEMBERS_LIMIT = 10
"""Members that the cloud allows for one HaVip."""


class MemberType(StrEnum):
    """What the cloud associates with the HaVip for a node."""

    ECS_INSTANCE = "EcsInstance"
    NETWORK_INTERFACE = "NetworkInterface"


class TolerationOperator(StrEnum):
    """How a toleration compares the taint's value."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods; for members all effects count alike."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """A taint that does not keep a node from being a member (as in a pod)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.operator != 'Exists' || !has(self.value) || self.value == ''",
            "a toleration with operator Exists takes any value: remove value, or use operator"
            " Equal",
        ),
        Rule(
            "self.operator == 'Exists' || (has(self.key) && self.key != '')",
            "a toleration with operator Equal needs a key: add it, or use operator Exists",
        ),
    )

    key: Annotated[
        str, Field(max_length=317, description="Key of the taint; any key if left out.")
    ] = ""
    operator: Annotated[
        TolerationOperator,
        Field(description="Exists: any value. Equal: the value given here."),
    ] = TolerationOperator.EQUAL
    value: Annotated[str, Field(max_length=63, description="Value of the taint, for Equal.")] = ""
    effect: Annotated[
        TaintEffect | None, Field(description="Effect of the taint; any effect if left out.")
    ] = None


class NetworkInterfaceSelector(Model):
    """Which network interface (ENI) of a node is the member."""

    tags: Annotated[
        dict[str, Annotated[str, Field(max_length=128)]],
        Field(
            max_length=10,
            description="Tags that the network interface has in the cloud, all of them.",
        ),
        Rule(
            "self.size() > 0",
            "no tags select nothing: name at least one tag of the network interface, or leave"
            " networkInterface out to take the one in the class's vSwitch",
        ),
        Rule(
            "self.all(key, key.size() >= 1 && key.size() <= 128)",
            "the key of a network interface's tag has 1 to 128 characters: name or shorten it",
        ),
    ]


class MembersSpec(Model):
    """Which nodes may own the address."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.networkInterface) || self.type == 'NetworkInterface'",
            "networkInterface is for members of type NetworkInterface: set type, or remove it",
            ".networkInterface",
        ),
    )

    node_selector: Annotated[
        NodeSelector,
        Field(
            description="Labels that a member has, all of them; every node of the class's"
            " vSwitch if left out.",
            exclude_if=lambda selector: not selector,  # the schema refuses an empty one
        ),
    ] = Field(default_factory=dict)
    tolerations: Annotated[
        tuple[Toleration, ...],
        Field(max_length=16, description="Taints that do not keep a node from being a member."),
    ] = ()
    type: Annotated[
        MemberType,
        Field(
            description="What is associated with the HaVip for a node: its instance with the"
            " primary network interface (EcsInstance), or one of its network interfaces"
            " (NetworkInterface). A change takes all members out before the first comes in.",
        ),
    ] = MemberType.ECS_INSTANCE
    network_interface: Annotated[
        NetworkInterfaceSelector | None,
        Field(
            description="Which network interface of a node, for type NetworkInterface; the one in"
            " the class's vSwitch if left out.",
        ),
    ] = None
    exclusive: Annotated[
        bool | None,
        Field(
            description="Take out members that are none of the cluster's nodes. Left out: false"
            " for an adopted HaVip, whose members of before are kept, else true.",
        ),
    ] = None
    max: Annotated[
        int,
        Field(
            ge=1,
            le=MEMBERS_LIMIT,
            description="Most nodes to take; those of the highest priority are taken first.",
        ),
    ] = MEMBERS_LIMIT
