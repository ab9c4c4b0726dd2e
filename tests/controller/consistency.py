"""Whether the cloud is what the objects want, once nobody has changed anything for a while.

Pure: the objects and nodes as Kubernetes has them, the cloud as its simulator tells it. It is
worked out anew from the specs, so that it shares no mistake with the planner. Where the cloud
cannot be as an object wants it, the object must say so, and name what is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from havip.api.names import TAG_CLUSTER, TAG_UID

Json = Mapping[str, Any]

V_SWITCH = "vsw-sim"


@dataclass(frozen=True)
class Sight:
    """All there is to see."""

    cluster_id: str
    havips: tuple[Json, ...]
    nodes: tuple[Json, ...]
    cloud: Json
    """The simulator's state."""

    def owned(self, kind: str) -> dict[str, list[Json]]:
        """What bears our tags, by the uid in them."""
        found: dict[str, list[Json]] = {}
        for each in self.cloud[kind]:
            if each["tags"].get(TAG_CLUSTER) == self.cluster_id:
                found.setdefault(each["tags"].get(TAG_UID, ""), []).append(each)
        return found

    @property
    def routes(self) -> dict[tuple[str, str], str]:
        """Where the tables lead, by table and destination."""
        return {
            (table["routeTableId"], entry["destinationCidrBlock"]): entry["nextHopId"]
            for table in self.cloud["routeTables"]
            for entry in table["entries"]
            if not entry["system"]
        }


def discrepancies(sight: Sight) -> list[str]:
    """Say what is not as it should be; nothing when all is well."""
    return [
        *_leaks(sight),
        *(f"{_name(e)}: {told}" for e in sight.havips for told in _of(sight, e)),
    ]


def _name(havip: Json) -> str:
    return str(havip["metadata"]["name"])


def _leaks(sight: Sight) -> Iterator[str]:
    """What bears the tags of an object that is gone."""
    living = {each["metadata"]["uid"] for each in sight.havips}
    for kind, key in (("haVips", "haVipId"), ("eips", "allocationId")):
        for uid, things in sight.owned(kind).items():
            # Without the uid somebody made it nobody's.
            if uid and uid not in living:
                yield from (f"{each[key]} is left of {uid}, which is gone" for each in things)
    there = {each["haVipId"] for each in sight.cloud["haVips"]}
    for (table, destination), hop in sight.routes.items():
        if hop.startswith("havip-") and hop not in there:
            yield f"{destination} in {table} leads to {hop}, which is gone"


def _condition(havip: Json, type_: str) -> Json:
    conditions = havip.get("status", {}).get("conditions", [])
    none = {"status": "", "reason": "", "message": ""}
    return next((each for each in conditions if each["type"] == type_), none)


def _refused(havip: Json, type_: str, *names: str) -> bool:
    """Whether a condition says that it cannot be, and names one of these."""
    found = _condition(havip, type_)
    return found["status"] == "False" and any(name and name in found["message"] for name in names)


def _of(sight: Sight, havip: Json) -> Iterator[str]:
    uid = havip["metadata"]["uid"]
    status = havip.get("status", {})
    if status.get("observedGeneration") != havip["metadata"]["generation"]:
        yield "its status is not about its spec"
        return
    mine = sight.owned("haVips").get(uid, [])
    if not mine:
        adopt = havip["spec"].get("adopt", {})
        named = [adopt.get("haVipId", ""), adopt.get("address", ""), status.get("haVipId", "")]
        at = [e["haVipId"] for e in sight.cloud["haVips"] if e["address"] == adopt.get("address")]
        if not adopt or not _refused(havip, "Accepted", *named, *at):
            yield "it has no HaVip, and does not say why"
        return
    if len(mine) > 1:
        yield f"it has {len(mine)} HaVips"
        return
    if mine[0]["haVipId"] != status.get("haVipId"):
        yield f"its status names another HaVip than {mine[0]['haVipId']}"
    yield from _texts(havip, mine[0])
    yield from _members(sight, havip, mine[0])
    yield from _eip(sight, havip, mine[0])
    yield from _routes(sight, havip, mine[0])


def _texts(havip: Json, mine: Json) -> Iterator[str]:
    spec = havip["spec"]
    if spec.get("description", "") not in (mine["description"], "" if "adopt" in spec else None):
        yield f"its description is {mine['description']!r}"
    if not spec.get("tags", {}).items() <= mine["tags"].items():
        yield f"its tags are {mine['tags']}"


# -- members


def _members(sight: Sight, havip: Json, mine: Json) -> Iterator[str]:
    spec = havip["spec"].get("members", {})
    there = set(mine["members"])
    reported = {each["node"]: each for each in havip["status"].get("members", [])}
    ours: set[str] = set()
    unused: list[str] = []
    for node in sight.nodes:
        if not spec.get("nodeSelector", {}).items() <= node["metadata"]["labels"].items():
            continue
        name = node["metadata"]["name"]
        fitting = _fitting(sight, spec, node)
        ours |= fitting
        told = reported.get(name, {"state": "", "reason": ""})
        if fitting & there:
            if told["state"] != "Associated":
                yield f"{name} is a member, but its state is {told['state']!r}"
        elif told["state"] != "Refused" or not told["reason"]:
            unused.append(name)
    if unused:
        yield f"{', '.join(unused)} should be members of {sorted(there)}, and it is not said why"
    strangers = there - ours
    if strangers and not _may_keep(havip, strangers):
        yield f"{', '.join(sorted(strangers))} should be no members"


def _may_keep(havip: Json, strangers: set[str]) -> bool:
    spec = havip["spec"]
    return bool(not spec.get("members", {}).get("exclusive", "adopt" not in spec))


def _fitting(sight: Sight, spec: Json, node: Json) -> set[str]:
    """What of a node can be the member."""
    instance_id = node["spec"]["providerID"].split(".")[1]
    if spec.get("type") == "NetworkInterface":
        tags = spec.get("networkInterface", {}).get("tags", {})
        return {
            each["networkInterfaceId"]
            for each in sight.cloud["networkInterfaces"]
            if each["instanceId"] == instance_id
            and each["vSwitchId"] == V_SWITCH
            and tags.items() <= each["tags"].items()
        }
    return {
        each["instanceId"]
        for each in sight.cloud["instances"]
        if (each["instanceId"], each["vSwitchId"]) == (instance_id, V_SWITCH)
    }


# -- EIP and routes


def _eip(sight: Sight, havip: Json, mine: Json) -> Iterator[str]:
    wish = havip["spec"].get("eip")
    allocated = sight.owned("eips").get(havip["metadata"]["uid"], [])
    bound = [e for e in sight.cloud["eips"] if e["instanceId"] == mine["haVipId"]]
    in_the_way = [each["address"] for each in bound]
    if wish and wish.get("allocationId"):
        wanted = wish["allocationId"]
        if wanted in {each["allocationId"] for each in bound}:
            if _condition(havip, "EipBound")["reason"] != "Bound":
                yield f"{wanted} is bound, and it is not said"
        elif not _refused(havip, "EipBound", wanted, *in_the_way):
            yield f"{wanted} is not bound, and it is not said why"
        # A wrong name does not cost what is in use, as long as it is told that it stays.
        told = _condition(havip, "EipBound")
        kept = [
            e for e in allocated if told["status"] == "False" and e["address"] in told["message"]
        ]
    elif wish:
        kept = allocated
        if len(allocated) != 1:
            yield f"{len(allocated)} EIPs are allocated"
        elif allocated[0] in bound:
            if _condition(havip, "EipBound")["reason"] != "Bound":
                yield f"{allocated[0]['allocationId']} is bound, and it is not said"
        elif not _refused(
            havip, "EipBound", allocated[0]["instanceId"], *in_the_way, allocated[0]["address"]
        ):
            yield f"{allocated[0]['allocationId']} is not bound, and it is not said why"
    else:
        kept = []
        if _condition(havip, "EipBound")["reason"] != "NotWanted":
            yield "no EIP is wanted, and it is not said"
    yield from (
        f"{each['allocationId']} is still allocated" for each in allocated if each not in kept
    )


def _routes(sight: Sight, havip: Json, mine: Json) -> Iterator[str]:
    states = {
        (each["routeTableId"], each["destination"]): each
        for each in havip["status"].get("routes", [])
    }
    wanted = {(e["routeTableId"], e["destination"]) for e in havip["spec"].get("routes", [])}
    for key in sorted(wanted):
        hop = sight.routes.get(key)
        told = states.get(key, {"state": "", "reason": ""})
        if hop == mine["haVipId"]:
            if told["state"] != "Bound":
                yield f"the route {key} is there, but its state is {told['state']!r}"
        elif told["state"] != "Refused" or not told["reason"] or (hop or "") not in told["reason"]:
            yield f"the route {key} leads to {hop}, and it is not said why: {told}"
    for key in sorted(states.keys() - wanted):
        yield f"the route {key} is wanted no more, but still in the status"
