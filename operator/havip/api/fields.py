"""Field types that several resources share, each with its bounds and its rules.

Every text, list and map is bounded: the API server estimates what a rule may cost by the bounds,
and refuses a resource definition whose rules could cost too much.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from havip.api.base import Rule


class DeletionPolicy(StrEnum):
    """What becomes of the cloud's HaVip when the object is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class Profile(StrEnum):
    """A set of election timings."""

    FAST = "Fast"
    BALANCED = "Balanced"
    CALM = "Calm"


def begins_with(prefix: str, what: str) -> Rule:
    """Rule for an id of the cloud, which always begins with the kind's prefix."""
    return Rule(
        f"self.startsWith('{prefix}')",
        f"this is not the id of {what}: give one that begins with {prefix}",
    )


IPv4Address = Annotated[
    str,
    Field(max_length=15),
    Rule(
        "isIP(self) && ip(self).family() == 4",
        "this is not an IPv4 address: give one such as 192.168.1.100"
        " (a HaVip has no IPv6 and no prefix length)",
    ),
    Rule(
        "!isIP(self) || (!ip(self).isUnspecified() && !ip(self).isLoopback()"
        " && !ip(self).isLinkLocalUnicast() && !ip(self).isLinkLocalMulticast()"
        " && !cidr('224.0.0.0/3').containsIP(ip(self)))",
        "this address cannot be one of a vSwitch: give one from the vSwitch's own block,"
        " not 0.0.0.0, loopback, link-local, multicast or broadcast",
    ),
]

CloudText = Annotated[
    str,
    Rule(
        "!self.startsWith('http://') && !self.startsWith('https://')",
        "the cloud refuses texts that begin with http:// or https://: begin with another word",
    ),
]

Name = Annotated[CloudText, Field(min_length=1, max_length=128)]
Description = Annotated[CloudText, Field(max_length=255)]

ResourceGroupId = Annotated[str, Field(max_length=64), begins_with("rg-", "a resource group")]
HaVipId = Annotated[str, Field(max_length=64), begins_with("havip-", "a HaVip")]
VSwitchId = Annotated[str, Field(max_length=64), begins_with("vsw-", "a vSwitch")]
VpcId = Annotated[str, Field(max_length=64), begins_with("vpc-", "a VPC")]

OWN_TAGS = 3
"""Tags that the operator adds to the user's; the cloud takes 20 in all."""

Tags = Annotated[
    dict[str, Annotated[str, Field(max_length=128)]],
    Field(max_length=20),
    Rule(
        f"self.size() <= {20 - OWN_TAGS}",
        f"too many tags: keep at most {20 - OWN_TAGS},"
        f" since the cloud takes 20 and the operator adds {OWN_TAGS} of its own",
    ),
    Rule(
        "self.all(key, key.size() >= 1 && key.size() <= 128)",
        "a tag key has 1 to 128 characters: name or shorten it",
    ),
    Rule(
        "self.all(key, !key.lowerAscii().startsWith('aliyun')"
        " && !key.lowerAscii().startsWith('acs:'))",
        "the cloud keeps tag keys that begin with aliyun or acs: for itself: rename the key",
    ),
    Rule(
        "self.all(key, !key.contains('http://') && !key.contains('https://')"
        " && !self[key].contains('http://') && !self[key].contains('https://'))",
        "the cloud refuses http:// and https:// in tags: take them out of the key and the value",
    ),
    Rule(
        "self.all(key, !key.startsWith('havip.dev/'))",
        "the operator keeps tag keys that begin with havip.dev/ for itself: rename the key",
    ),
]

NodeSelector = Annotated[
    dict[str, Annotated[str, Field(max_length=63)]],
    Field(max_length=16),
    Rule(
        "self.size() > 0",
        "an empty selector says nothing: name at least one label, or leave nodeSelector out"
        " to take all nodes",
    ),
    Rule(
        "self.all(key, !format.qualifiedName().validate(key).hasValue()"
        " && !format.labelValue().validate(self[key]).hasValue())",
        "this is not a label a node can have: write it as kubectl get nodes --show-labels does,"
        " one `key: value` per label",
    ),
]

InterfaceName = Annotated[
    str,
    Field(min_length=1, max_length=15),
    Rule(
        "self.matches('^[^/: \\\\t]+$') && self != '.' && self != '..'",
        "this is not the name of a network interface: give one that `ip link` shows, as in eth0",
    ),
]

Host = Annotated[
    str,
    Field(max_length=253),
    Rule(
        "isIP(self) || !format.dns1123Subdomain().validate(self).hasValue()",
        "give a host name or an IP address alone: no scheme, port or path",
    ),
]

Port = Annotated[int, Field(ge=1, le=65535)]
