"""What the real API server takes and what it refuses, and that a refusal says what to change."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from havip.api.crd import DEFINITIONS, structural_schema
from havip.election.timing import PROFILES, Timing
from lab.controlplane import ControlPlane

pytestmark = pytest.mark.apiserver

TIMINGS = {
    "heartbeatMillis": 100,
    "grantMillis": 400,
    "challengeMillis": 250,
    "renewMillis": 1000,
    "unmemberedMillis": 5000,
}
TCP = {"name": "web", "tcp": {"port": 80}}


def havip(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "havip.dev/v1alpha1",
        "kind": "HaVip",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"className": "main", **spec},
    }


def havipclass(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "havip.dev/v1alpha1",
        "kind": "HaVipClass",
        "metadata": {"name": "main"},
        "spec": {"region": "cn-hangzhou", "vSwitchId": "vsw-1", **spec},
    }


def timings(**changed: int) -> dict[str, Any]:
    return havip(election={"timings": {**TIMINGS, **changed}})


def check(**changed: Any) -> dict[str, Any]:
    return havip(health=[{**TCP, **changed}])


def allocated(**changed: Any) -> dict[str, Any]:
    return havip(eip={"allocate": changed})


def routed(*destinations: str, **spec: Any) -> dict[str, Any]:
    routes = [{"routeTableId": "vtb-1", "destination": each} for each in destinations]
    return havip(routes=routes, **spec)


def rrsa(**changed: str) -> dict[str, Any]:
    oidc = {
        "roleArn": "acs:ram::1000000000000001:role/havip",
        "oidcProviderArn": "acs:ram::1000000000000001:oidc-provider/ack-rrsa-c1",
    }
    return havipclass(credentials={"oidc": {**oidc, **changed}})


def named(name: str) -> dict[str, Any]:
    return {**havip(), "metadata": {"name": name, "namespace": "default"}}


def without(given: dict[str, Any], *path: str) -> dict[str, Any]:
    """A copy that lacks the field at this path."""
    first, *rest = path
    if rest:
        return {**given, first: without(given[first], *rest)}
    return {key: value for key, value in given.items() if key != first}


GOOD = {
    "the least one can say": havip(),
    "a fixed address": havip(address="10.77.0.100"),
    "an address outside RFC 1918": havip(address="203.0.113.7"),
    "an adopted one": havip(adopt={"haVipId": "havip-bp1abc"}),
    "an adopted one by its address": havip(adopt={"address": "10.77.0.9"}),
    "an adopted one to delete": havip(adopt={"haVipId": "havip-1"}, deletionPolicy="Delete"),
    "a name and a description": havip(name="front door", description="see https://example.com"),
    "17 tags": havip(tags={f"key{number}": "value" for number in range(17)}),
    "a tag with an empty value and one in Chinese": havip(tags={"empty": "", "部门": "运维"}),
    "a resource group": havip(resourceGroupId="rg-acfmxazb4ph6aei"),
    "members by label": havip(
        members={"nodeSelector": {"node-role.kubernetes.io/edge": "", "zone": "b"}, "max": 3}
    ),
    "tolerations": havip(
        members={
            "tolerations": [
                {"operator": "Exists"},
                {"key": "edge", "value": "yes", "effect": "NoSchedule"},
                {"key": "role", "operator": "Exists", "effect": "NoExecute"},
            ]
        }
    ),
    "a fast election with preferred nodes": havip(
        election={
            "profile": "Fast",
            "failback": "WhenHealthy",
            "priorities": [
                {"nodeSelector": {"zone": "a"}, "priority": 255},
                {"nodeSelector": {"zone": "b"}, "priority": 1},
            ],
        }
    ),
    "network interfaces as members": havip(members={"type": "NetworkInterface"}),
    "network interfaces by tag": havip(
        members={
            "type": "NetworkInterface",
            "networkInterface": {"tags": {"aliyun:role": "edge", "empty": ""}},
        }
    ),
    "members of which ours are all, or not": havip(members={"exclusive": False}),
    "an EIP that exists": havip(eip={"allocationId": "eip-bp1abc"}),
    "an EIP to allocate": allocated(),
    "an EIP with all": allocated(
        name="front door",
        description="the shop's",
        bandwidthMbps=500,
        internetChargeType="PayByBandwidth",
        isp="BGP_PRO",
        publicIpPool="pippool-1",
        resourceGroupId="rg-1",
        tags={"team": "a"},
    ),
    "an EIP paid by traffic, of the most bandwidth": allocated(bandwidthMbps=200),
    "routes": routed("10.9.0.0/16", "10.9.0.1/32", "0.0.0.0/0", address="10.77.0.100"),
    "a route with a name and a description": havip(
        routes=[
            {
                "routeTableId": "vtb-1",
                "destination": "10.9.0.0/16",
                "name": "to the shop",
                "description": "see https://example.com",
            }
        ]
    ),
    "one block in two tables": havip(
        routes=[{"routeTableId": each, "destination": "10.9.0.0/16"} for each in ("vtb-1", "vtb-2")]
    ),
    "own timings": timings(),
    "own timings at the edge of the rules": timings(
        heartbeatMillis=100, grantMillis=300, challengeMillis=299, renewMillis=2500
    ),
    "an announcement": havip(announce={"interface": "eth0.10", "burst": 20, "refreshSeconds": 60}),
    "a check of each kind": havip(
        health=[
            {"name": "http", "http": {"port": 8080, "path": "/healthz?full=1"}},
            {"name": "https", "http": {"port": 443, "host": "10.0.0.1", "scheme": "HTTPS"}},
            {"name": "tcp", "tcp": {"port": 5432, "host": "db.example.com"}},
            {"name": "exec", "exec": {"command": ["/bin/true"]}},
            {"name": "link", "interface": {}},
            {"name": "named-link", "interface": {"name": "eth1"}},
            {"name": "endpoints", "endpoints": {"service": "web"}},
            {"name": "kube-proxy", "endpoints": {"service": "db", "healthCheckNodePort": 32000}},
        ]
    ),
    "a check with its own pace": check(intervalMillis=100, timeoutMillis=100, rise=1, fall=1),
    "a suspended one": havip(suspend=True),
    "empty lists": havip(health=[], routes=[], members={"tolerations": []}),
    "a name of 63 characters": named("a" * 63),
    "a class": havipclass(),
    "a class with all": havipclass(
        vpcId="vpc-1",
        endpoints={
            "vpc": "127.0.0.1:8080",
            "ecs": "ecs.aliyuncs.com",
            "sts": "sts-vpc.cn-hangzhou.aliyuncs.com",
            "protocol": "http",
        },
        credentials={"secretRef": {"name": "cloud.key", "namespace": "havip-system"}},
        limits={
            "haVipsPerVpc": 100,
            "haVipsPerInstance": 10,
            "membersPerHaVip": 20,
            "routesPerTable": 15,
        },
    ),
    "a class for Services": havipclass(
        defaults={
            "profile": "Fast",
            "deletionPolicy": "Retain",
            "resourceGroupId": "rg-1",
            "tags": {"team": "a"},
        },
        services={"shareAcrossNamespaces": True},
    ),
    "a class with the role of the instance": havipclass(credentials={"ecsRamRole": {}}),
    "a class with a role of the instance by name": havipclass(
        credentials={"ecsRamRole": {"roleName": "KubernetesWorkerRole-1.a"}}
    ),
    "a class with the role of the service account": rrsa(),
    "a class with the service account's token elsewhere": rrsa(tokenFile="/var/run/token"),
    "a class of a special region": havipclass(region="cn-shanghai-finance-1"),
    "a node's report": {
        "apiVersion": "havip.dev/v1alpha1",
        "kind": "HaVipNode",
        "metadata": {"name": "node1"},
    },
}

AN_ADDRESS = "this is not an IPv4 address: give one such as 192.168.1.100"
OF_A_V_SWITCH = "this address cannot be one of a vSwitch"
TEXT = "the cloud refuses texts that begin with http:// or https://"
TO_ADOPT = "name the HaVip to adopt by haVipId or by address"
ONE_WAY = "give one of secretRef, ecsRamRole and oidc (or leave credentials out"
ONE_KIND = "a check is of exactly one kind: keep one of http, tcp, exec, interface, endpoints"

BAD: dict[str, tuple[dict[str, Any], str]] = {
    # The address.
    "an IPv6 address": (havip(address="fd00::1"), AN_ADDRESS),
    "an address out of range": (havip(address="10.0.0.256"), AN_ADDRESS),
    "an address with a prefix": (havip(address="10.0.0.1/24"), AN_ADDRESS),
    "an address with leading zeros": (havip(address="10.0.00.001"), AN_ADDRESS),
    "a host name for an address": (havip(address="web.example"), AN_ADDRESS),
    "an empty address": (havip(address=""), AN_ADDRESS),
    "a loopback address": (havip(address="127.0.0.1"), OF_A_V_SWITCH),
    "a multicast address": (havip(address="224.0.0.18"), OF_A_V_SWITCH),
    "a broadcast address": (havip(address="255.255.255.255"), OF_A_V_SWITCH),
    "a link-local address": (havip(address="169.254.0.9"), OF_A_V_SWITCH),
    "no address at all": (havip(address="0.0.0.0"), OF_A_V_SWITCH),
    "both address and adopt": (
        havip(address="10.0.0.9", adopt={"haVipId": "havip-1"}),
        "an adopted HaVip has its address already: remove either address or adopt",
    ),
    # What the cloud takes.
    "no class": (without(havip(), "spec", "className"), "spec.className: Required value"),
    "a class with a capital": (havip(className="Main"), "this is not the name of a HaVipClass"),
    "an id to adopt of another kind": (
        havip(adopt={"haVipId": "eip-1"}),
        "this is not the id of a HaVip: give one that begins with havip-",
    ),
    "nothing to adopt": (havip(adopt={}), TO_ADOPT),
    "two ways to adopt": (havip(adopt={"haVipId": "havip-1", "address": "10.0.0.9"}), TO_ADOPT),
    "no address to adopt": (havip(adopt={"address": "here"}), AN_ADDRESS),
    "a name with http://": (havip(name="http://web"), TEXT),
    "a description with https://": (havip(description="https://web"), TEXT),
    "a name that is too long": (havip(name="n" * 129), "may not be more than 128"),
    "a description that is too long": (havip(description="d" * 256), "may not be more than 255"),
    "a resource group's name for its id": (
        havip(resourceGroupId="team-a"),
        "this is not the id of a resource group: give one that begins with rg-",
    ),
    "a long name of the object": (named("a" * 64), "has at most 63 characters: shorten"),
    "a tag key of the cloud's (aliyun)": (
        havip(tags={"aliyunTeam": "a"}),
        "keeps tag keys that begin with aliyun or acs: for itself: rename the key",
    ),
    "a tag key of the cloud's (acs:)": (
        havip(tags={"ACS:team": "a"}),
        "keeps tag keys that begin with aliyun or acs: for itself: rename the key",
    ),
    "a tag key of ours": (
        havip(tags={"havip.dev/uid": "other"}),
        "the operator keeps tag keys that begin with havip.dev/ for itself: rename the key",
    ),
    "a tag key with http://": (
        havip(tags={"see-http://x": "a"}),
        "the cloud refuses http:// and https:// in tags",
    ),
    "a tag value with https://": (
        havip(tags={"doc": "at https://x"}),
        "the cloud refuses http:// and https:// in tags",
    ),
    "an empty tag key": (havip(tags={"": "a"}), "a tag key has 1 to 128 characters"),
    "a tag key that is too long": (havip(tags={"k" * 129: ""}), "a tag key has 1 to 128"),
    "a tag value that is too long": (havip(tags={"k": "v" * 129}), "may not be more than 128"),
    "18 tags": (
        havip(tags={f"key{number}": "" for number in range(18)}),
        "too many tags: keep at most 17",
    ),
    "a deletion policy of another product": (
        havip(deletionPolicy="Orphan"),
        'supported values: "Delete", "Retain"',
    ),
    # The members.
    "an empty selector": (
        havip(members={"nodeSelector": {}}),
        "an empty selector says nothing: name at least one label, or leave nodeSelector out",
    ),
    "a selector with a bad key": (
        havip(members={"nodeSelector": {"a b": "c"}}),
        "this is not a label a node can have",
    ),
    "a selector with a bad value": (
        havip(members={"nodeSelector": {"a": "-c"}}),
        "this is not a label a node can have",
    ),
    "eleven members": (havip(members={"max": 11}), "should be less than or equal to 10"),
    "no members": (havip(members={"max": 0}), "should be greater than or equal to 1"),
    "a network interface for an instance": (
        havip(members={"networkInterface": {"tags": {"a": "b"}}}),
        "networkInterface is for members of type NetworkInterface: set type, or remove it",
    ),
    "a network interface by no tag": (
        havip(members={"type": "NetworkInterface", "networkInterface": {"tags": {}}}),
        "no tags select nothing: name at least one tag of the network interface",
    ),
    "a network interface by a tag without a key": (
        havip(members={"type": "NetworkInterface", "networkInterface": {"tags": {"": "b"}}}),
        "the key of a network interface's tag has 1 to 128 characters",
    ),
    "members of a third type": (
        havip(members={"type": "Pod"}),
        'supported values: "EcsInstance", "NetworkInterface"',
    ),
    "a toleration of any value that has one": (
        havip(members={"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}),
        "a toleration with operator Exists takes any value: remove value",
    ),
    "a toleration of nothing": (
        havip(members={"tolerations": [{"value": "b"}]}),
        "a toleration with operator Equal needs a key: add it, or use operator Exists",
    ),
    # The election.
    "a profile that is not": (
        havip(election={"profile": "Turbo"}),
        'supported values: "Fast", "Balanced", "Calm"',
    ),
    "priority 0": (
        havip(election={"priorities": [{"nodeSelector": {"a": "b"}, "priority": 0}]}),
        "should be greater than or equal to 1",
    ),
    "priority 256": (
        havip(election={"priorities": [{"nodeSelector": {"a": "b"}, "priority": 256}]}),
        "should be less than or equal to 255",
    ),
    "a priority for no node": (
        havip(election={"priorities": [{"nodeSelector": {}, "priority": 9}]}),
        "an empty selector says nothing",
    ),
    "a challenge as long as the grant": (
        timings(challengeMillis=400),
        "challengeMillis must be less than grantMillis: lower challengeMillis or raise",
    ),
    "a challenge shorter than a heartbeat": (
        timings(challengeMillis=100),
        "challengeMillis must be more than heartbeatMillis",
    ),
    "a grant of less than three heartbeats": (
        timings(grantMillis=299),
        "grantMillis must be at least 3 times heartbeatMillis",
    ),
    "a lone owner that loses the address before a grant runs out": (
        timings(grantMillis=6000),
        "unmemberedMillis must be more than grantMillis",
    ),
    "a renewal too slow for a lone owner": (
        timings(renewMillis=2501),
        "unmemberedMillis must be at least twice renewMillis",
    ),
    "heartbeats too fast": (timings(heartbeatMillis=19), "should be greater than or equal to 20"),
    "half of the timings": (
        without(timings(), "spec", "election", "timings", "renewMillis"),
        "spec.election.timings.renewMillis: Required value",
    ),
    # The announcement and the checks.
    "an interface that cannot be": (
        havip(announce={"interface": "eth 0"}),
        "this is not the name of a network interface: give one that `ip link` shows",
    ),
    "a burst of 21": (havip(announce={"burst": 21}), "should be less than or equal to 20"),
    "a refresh of 0": (havip(announce={"refreshSeconds": 0}), "greater than or equal to 1"),
    "two kinds in one check": (check(http={"port": 80}), ONE_KIND),
    "a check of no kind": (havip(health=[{"name": "web"}]), ONE_KIND),
    "two checks of one name": (havip(health=[TCP, TCP]), "spec.health[1]: Duplicate value"),
    "a timeout longer than the interval": (
        check(timeoutMillis=1001),
        "timeoutMillis must not exceed intervalMillis",
    ),
    "a check with a bad name": (check(name="Web_1"), "the name of a check has lower-case letters"),
    "a port out of range": (check(tcp={"port": 65536}), "less than or equal to 65535"),
    "a check of a URL": (
        check(tcp={"port": 80, "host": "http://db"}),
        "give a host name or an IP address alone: no scheme, port or path",
    ),
    "a path that is none": (
        havip(health=[{"name": "web", "http": {"port": 80, "path": "healthz"}}]),
        "path must begin with /, as in /healthz: put one in front",
    ),
    "a path with a second line": (
        havip(health=[{"name": "web", "http": {"port": 80, "path": "/\r\nHost: x"}}]),
        "path has blanks or characters beyond ASCII: write them percent-encoded",
    ),
    "an empty command": (
        havip(health=[{"name": "web", "exec": {"command": []}}]),
        "should have at least 1 items",
    ),
    # The EIP and the routes.
    "an EIP in two ways": (
        havip(eip={"allocationId": "eip-1", "allocate": {}}),
        "give either allocationId (an EIP that exists) or allocate (one to be made)",
    ),
    "an EIP in no way": (
        havip(eip={}),
        "give either allocationId (an EIP that exists) or allocate (one to be made)",
    ),
    "more traffic than can be paid for": (
        allocated(bandwidthMbps=201),
        "an EIP that is paid by traffic has at most 200 Mbit/s: lower bandwidthMbps",
    ),
    "more bandwidth than there is": (
        allocated(bandwidthMbps=501, internetChargeType="PayByBandwidth"),
        "should be less than or equal to 500",
    ),
    "an EIP without bandwidth": (allocated(bandwidthMbps=0), "greater than or equal to 1"),
    "an EIP paid in another way": (
        allocated(internetChargeType="PrePaid"),
        'supported values: "PayByTraffic", "PayByBandwidth"',
    ),
    "an EIP of no line": (allocated(isp=""), "this is no kind of line: give one such as BGP"),
    "an EIP from another kind of pool": (
        allocated(publicIpPool="pool-1"),
        "this is not the id of a public address pool: give one that begins with pippool-",
    ),
    "an EIP with a tag of ours": (
        allocated(tags={"havip.dev/cluster": "x"}),
        "the operator keeps tag keys that begin with havip.dev/ for itself: rename the key",
    ),
    "duplicate routes": (
        havip(routes=[{"routeTableId": "vtb-1", "destination": "10.9.0.0/16"}] * 2),
        "spec.routes[1]: Duplicate value",
    ),
    "a route with host bits": (
        havip(routes=[{"routeTableId": "vtb-1", "destination": "10.9.0.1/16"}]),
        "the block has bits set behind its prefix: clear them",
    ),
    "a route to the cloud's own block": (
        havip(routes=[{"routeTableId": "vtb-1", "destination": "100.64.8.0/24"}]),
        "the cloud keeps 100.64.0.0/10 for itself: route another block",
    ),
    "a route for multicast": (routed("224.0.0.0/8"), "is sent no multicast, broadcast or loopback"),
    "a route for loopback": (routed("127.0.0.1/32"), "is sent no multicast, broadcast or loopback"),
    "a route to its own address": (
        routed("10.9.0.0/16", "10.77.0.100/32", address="10.77.0.100"),
        "a route cannot lead to the HaVip's own address, which its vSwitch has already",
    ),
    "a route of IPv6": (routed("fd00::/8"), "this is not an IPv4 block"),
    "a route to no block": (
        havip(routes=[{"routeTableId": "vtb-1", "destination": "10.9.0.1"}]),
        "this is not an IPv4 block: give one such as 10.9.0.0/16",
    ),
    "a route table of another kind": (
        havip(routes=[{"routeTableId": "vsw-1", "destination": "10.9.0.0/16"}]),
        "this is not the id of a route table: give one that begins with vtb-",
    ),
    "an EIP's address for its id": (
        havip(eip={"allocationId": "47.1.2.3"}),
        "this is not the id of an EIP: give one that begins with eip-",
    ),
    "a Service with a bad name": (
        havip(health=[{"name": "web", "endpoints": {"service": "shop/web"}}]),
        "this is not the name of a Service: give one of the same namespace",
    ),
    # Misspellings.
    "an unknown field": (havip(adress="10.0.0.1"), 'unknown field "spec.adress"'),
    "an unknown field deep down": (
        check(tcp={"port": 80, "prot": 81}),
        'unknown field "spec.health[0].tcp.prot"',
    ),
    "a text for a number": (havip(announce={"burst": "5"}), "must be of type integer"),
    # The class.
    "a class without a vSwitch": (
        without(havipclass(), "spec", "vSwitchId"),
        "spec.vSwitchId: Required value",
    ),
    "a VPC for a vSwitch": (
        havipclass(vSwitchId="vpc-1"),
        "this is not the id of a vSwitch: give one that begins with vsw-",
    ),
    "a vSwitch for a VPC": (havipclass(vpcId="vsw-1"), "this is not the id of a VPC"),
    "a region's name for its id": (
        havipclass(region="Hangzhou"),
        "this is not the id of a region: give one such as cn-hangzhou",
    ),
    "an endpoint with a scheme": (
        havipclass(endpoints={"vpc": "https://vpc.aliyuncs.com"}),
        "no scheme, no path",
    ),
    "credentials of no kind": (havipclass(credentials={}), ONE_WAY),
    "credentials of two kinds": (
        havipclass(credentials={"secretRef": {"name": "key"}, "ecsRamRole": {}}),
        ONE_WAY,
    ),
    "an ARN for a role's name": (
        havipclass(credentials={"ecsRamRole": {"roleName": "acs:ram::1:role/havip"}}),
        "this is not the name of a RAM role: give the name alone, no ARN",
    ),
    "a role's name for its ARN": (rrsa(roleArn="havip"), "this is not the ARN of a role: give"),
    "a provider for a role": (
        rrsa(roleArn="acs:ram::1:oidc-provider/ack"),
        "this is not the ARN of a role: give",
    ),
    "a role for a provider": (
        rrsa(oidcProviderArn="acs:ram::1:role/havip"),
        "this is not the ARN of an OIDC provider: give",
    ),
    "a token's file somewhere": (
        rrsa(tokenFile="token"),
        "give the whole path of the token's file, from / on",
    ),
    "a role without a provider": (
        without(rrsa(), "spec", "credentials", "oidc", "oidcProviderArn"),
        "spec.credentials.oidc.oidcProviderArn: Required value",
    ),
    "a limit of nothing": (
        havipclass(limits={"haVipsPerVpc": 0}),
        "should be greater than or equal to 1",
    ),
    "a Secret with a bad name": (
        havipclass(credentials={"secretRef": {"name": "Cloud_Key"}}),
        "this is not the name of a Secret",
    ),
    "a Secret in a namespace with a bad name": (
        havipclass(credentials={"secretRef": {"name": "key", "namespace": "a.b"}}),
        "this is not the name of a namespace",
    ),
    "defaults of a class with an unknown profile": (
        havipclass(defaults={"profile": "Hasty"}),
        "Unsupported value",
    ),
}


def rules(schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from schema.get("x-kubernetes-validations", [])
    for below in (
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ):
        if below:
            yield from rules(below)


def test_every_rule_about_an_object_refuses_one_of_the_bad_ones() -> None:
    sentences = [sentence for _, sentence in BAD.values()]
    messages = {
        rule["message"]
        for definition in DEFINITIONS
        for rule in rules(structural_schema(definition.model))
        if "oldSelf" not in rule["rule"]  # about a change: see test_transitions.py
    }
    untried = [each for each in messages if not any(sentence in each for sentence in sentences)]
    assert untried == []


def try_to_apply(plane: ControlPlane, given: dict[str, Any]) -> tuple[bool, str]:
    """Apply as a user does, without keeping it: whether it was taken, and what kubectl said."""
    done = plane.try_kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", input=json.dumps(given)
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("given", GOOD.values(), ids=GOOD.keys())
def test_good_objects_are_taken(control_plane: ControlPlane, given: dict[str, Any]) -> None:
    taken, said = try_to_apply(control_plane, given)
    assert taken, said


@pytest.mark.parametrize("given", GOOD.values(), ids=GOOD.keys())
def test_good_objects_are_taken_again_as_the_models_write_them(
    control_plane: ControlPlane, given: dict[str, Any]
) -> None:
    (model,) = [each.model for each in DEFINITIONS if each.kind == given["kind"]]
    written = model.from_json(given).to_json()
    taken, said = try_to_apply(control_plane, {**written, "metadata": given["metadata"]})
    assert taken, said


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_the_figures_of_every_profile_are_good_timings(
    control_plane: ControlPlane, profile: Timing
) -> None:
    figures = {
        name: round(getattr(profile, name.removesuffix("Millis")) * 1000) for name in TIMINGS
    }
    taken, said = try_to_apply(control_plane, timings(**figures))
    assert taken, said


@pytest.mark.parametrize(("given", "sentence"), BAD.values(), ids=BAD.keys())
def test_bad_objects_are_refused_with_what_to_change(
    control_plane: ControlPlane, given: dict[str, Any], sentence: str
) -> None:
    taken, said = try_to_apply(control_plane, given)
    assert not taken
    assert sentence in said
