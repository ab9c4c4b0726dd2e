"""HaVipClass: where HaVips are made, and with which credentials."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from havip.api import names
from havip.api.base import Model, Rule
from havip.api.conditions import Condition
from havip.api.fields import DeletionPolicy, Profile, ResourceGroupId, Tags, VpcId, VSwitchId
from havip.api.havipstatus import CONDITIONS_EXTRA, Id, Text
from havip.api.members import MEMBERS_LIMIT
from havip.api.metadata import ObjectMeta

ENDPOINT_RULE = Rule(
    "self.matches('^[A-Za-z0-9.-]+(:[0-9]{1,5})?$')",
    "give a host, with :port if need be, as in vpc.cn-hangzhou.aliyuncs.com: no scheme, no path",
)
Endpoint = Annotated[str, Field(min_length=1, max_length=253), ENDPOINT_RULE]


class Protocol(StrEnum):
    """Protocol spoken with the cloud's API."""

    HTTPS = "https"
    HTTP = "http"


class Endpoints(Model):
    """Where the cloud's API is, when it is not at the region's usual place."""

    vpc: Annotated[
        Endpoint | None, Field(description="Host of the VPC API; the region's own if left out.")
    ] = None
    ecs: Annotated[
        Endpoint | None, Field(description="Host of the ECS API; the region's own if left out.")
    ] = None
    sts: Annotated[
        Endpoint | None, Field(description="Host of the STS API; the region's own if left out.")
    ] = None
    protocol: Annotated[
        Protocol, Field(description="https, or http for a simulated cloud in a lab.")
    ] = Protocol.HTTPS


class SecretRef(Model):
    """A Secret with an access key: accessKeyId, accessKeySecret, securityToken if a session's."""

    name: Annotated[
        str,
        Field(max_length=253, description="Name of the Secret."),
        Rule(
            "!format.dns1123Subdomain().validate(self).hasValue()",
            "this is not the name of a Secret: give one that kubectl get secrets shows",
        ),
    ]
    namespace: Annotated[
        Annotated[
            str,
            Field(max_length=63),
            Rule(
                "!format.dns1123Label().validate(self).hasValue()",
                "this is not the name of a namespace: give one that kubectl get namespaces shows",
            ),
        ]
        | None,
        Field(description="Namespace of the Secret; the operator's own if left out."),
    ] = None


class EcsRamRole(Model):
    """The RAM role of the instance that the controller runs on, by its metadata service."""

    role_name: Annotated[
        Annotated[
            str,
            Field(max_length=64),
            Rule(
                "self.matches('^[A-Za-z0-9.-]+$')",
                "this is not the name of a RAM role: give the name alone, no ARN",
            ),
        ]
        | None,
        Field(description="Name of the role; the one that the instance has if left out."),
    ] = None


def arn(kind: str, what: str) -> Rule:
    """Rule for a resource name of RAM."""
    return Rule(
        f"self.matches('^acs:ram::[0-9]+:{kind}/.+$')",
        f"this is not the ARN of {what}: give one as in acs:ram::123:{kind}/...",
    )


Arn = Annotated[str, Field(max_length=256)]


class Oidc(Model):
    """A RAM role that the controller's service account may assume (RRSA)."""

    role_arn: Annotated[
        Arn,
        Field(description="The role, as in acs:ram::123:role/havip."),
        arn("role", "a role"),
    ]
    oidc_provider_arn: Annotated[
        Arn,
        Field(description="The cluster's OIDC provider, as in acs:ram::123:oidc-provider/ack-1."),
        arn("oidc-provider", "an OIDC provider"),
    ]
    token_file: Annotated[
        str,
        Field(
            min_length=1,
            max_length=256,
            description="File in the controller's pod with the service account's token; the place"
            " where ACK puts it if left out.",
        ),
        Rule(
            "self.startsWith('/')",
            "give the whole path of the token's file, from / on",
        ),
    ] = "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token"  # noqa: S105  (a path)


class Credentials(Model):
    """How the controller proves to the cloud who it is: one of three ways."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.secretRef), has(self.ecsRamRole), has(self.oidc)]"
            ".filter(given, given).size() == 1",
            "give one of secretRef, ecsRamRole and oidc (or leave credentials out: then the"
            " controller takes what its pod or its instance has)",
        ),
    )

    secret_ref: Annotated[
        SecretRef | None,
        Field(
            description="Secret with the keys accessKeyId and accessKeySecret, and securityToken"
            " if the key is a session's."
        ),
    ] = None
    ecs_ram_role: Annotated[
        EcsRamRole | None, Field(description="The RAM role of the controller's instance.")
    ] = None
    oidc: Annotated[
        Oidc | None, Field(description="A RAM role by the controller's service account (RRSA).")
    ] = None


class Limits(Model):
    """What the cloud allows this account; the figures of its guide if left out.

    A quota that was raised is told here: what would go over a limit is not even asked for.
    """

    ha_vips_per_vpc: Annotated[int, Field(ge=1, le=10000, description="HaVips in one VPC.")] = 50
    ha_vips_per_instance: Annotated[
        int, Field(ge=1, le=1000, description="HaVips that one instance is a member of.")
    ] = 5
    members_per_ha_vip: Annotated[int, Field(ge=1, le=100, description="Members of one HaVip.")] = (
        MEMBERS_LIMIT
    )
    routes_per_table: Annotated[
        int, Field(ge=1, le=1000, description="Routes to HaVips in one route table.")
    ] = 5


class ClassDefaults(Model):
    """What a HaVip made for a Service of this class has."""

    profile: Annotated[
        Profile | None, Field(description="Election profile; Balanced if left out.")
    ] = None
    deletion_policy: Annotated[
        DeletionPolicy | None, Field(description="Deletion policy; Delete if left out.")
    ] = None
    resource_group_id: Annotated[
        ResourceGroupId | None, Field(description="Resource group in the cloud.")
    ] = None
    tags: Annotated[Tags, Field(description="Tags in the cloud.")] = Field(default_factory=dict)


class ServiceSharing(Model):
    """How Services of this class may share a HaVip."""

    share_across_namespaces: Annotated[
        bool,
        Field(
            description="Services with the same havip.dev/share key share a HaVip from whatever"
            " namespace they are; else each namespace has its own. Cannot change.",
        ),
        Rule(
            "self == oldSelf",
            "shareAcrossNamespaces cannot change, since Services share by it: make another class",
        ),
    ] = False


class HaVipClassSpec(Model):
    """Where and how HaVips of this class are made."""

    region: Annotated[
        str,
        Field(max_length=64, description="Region of the cloud, as in cn-hangzhou. Cannot change."),
        Rule(
            "self.matches('^[a-z]{2,}(-[a-z0-9]+)+$')",
            "this is not the id of a region: give one such as cn-hangzhou (a zone such as"
            " cn-hangzhou-b belongs to the vSwitch)",
        ),
        Rule(
            "self == oldSelf",
            "region cannot change, since the class's HaVips are there: make another class",
        ),
    ]
    vpc_id: Annotated[
        VpcId | None,
        Field(
            description="VPC of the vSwitch. When given, a vSwitch of another VPC is refused.",
        ),
    ] = None
    v_switch_id: Annotated[
        VSwitchId,
        Field(description="vSwitch that the addresses and the nodes belong to. Cannot change."),
        Rule(
            "self == oldSelf",
            "vSwitchId cannot change, since the class's HaVips are there: make another class",
        ),
    ]
    endpoints: Annotated[
        Endpoints | None,
        Field(description="Where the cloud's API is; the region's usual place if left out."),
    ] = None
    credentials: Annotated[
        Credentials | None,
        Field(
            description="How the controller shows who it is; what its pod or its instance has"
            " (RRSA or the instance's role) if left out.",
        ),
    ] = None
    limits: Annotated[Limits, Field(description="What the cloud allows this account.")] = Limits()
    defaults: Annotated[
        ClassDefaults | None,
        Field(
            description="What HaVips made for Services have, unless a Service's annotations say"
            " otherwise.",
        ),
    ] = None
    services: Annotated[
        ServiceSharing, Field(description="How Services of this class may share a HaVip.")
    ] = ServiceSharing()


class HaVipClassStatus(Model):
    """What the controller saw."""

    observed_generation: Annotated[
        int | None, Field(ge=0, description="Generation of the spec that this is about.")
    ] = None
    account_id: Annotated[
        Id | None, Field(description="The account that the credentials belong to.")
    ] = None
    identity: Annotated[
        Text | None, Field(description="Whom the credentials stand for (an ARN).")
    ] = None
    ha_vips: Annotated[
        int | None, Field(ge=0, description="HaVips in the class's VPC, of anybody.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            max_length=32,
            description="What is true of the class: Accepted says whether it can work.",
            json_schema_extra=CONDITIONS_EXTRA,
        ),
    ] = ()


class HaVipClass(Model):
    """A place in the cloud (region and vSwitch) and the credentials to make HaVips there."""

    api_version: str = names.API_VERSION
    kind: str = names.HAVIPCLASS_KIND
    metadata: ObjectMeta
    spec: Annotated[
        HaVipClassSpec, Field(description="Where and how HaVips of this class are made.")
    ]
    status: Annotated[
        HaVipClassStatus, Field(description="What the controller saw; it alone writes this.")
    ] = HaVipClassStatus()
