"""Whether the members may share a physical host: advice from what ECS says of them. Pure."""

from collections import Counter

from havip.api.conditions import ConditionStatus, Reason
from havip.api.havip import MemberState
from havip.cloud.port import InstanceFacts
from havip.controller.observe import Observation
from havip.controller.plan.outcome import Member, Verdict

INSTANCES = "instances"
"""Subject of the look at the members' instances."""


def placement(seen: Observation, members: tuple[Member, ...]) -> Verdict | None:
    """Return what ``SpreadAdvised`` says: True is advice to spread.

    None while the members' instances have not been seen.
    """
    ids = [each.node.instance_id for each in members if each.state is MemberState.ASSOCIATED]
    if len(ids) < 2:
        told = "There are no two members to be spread."
        return Verdict(ConditionStatus.FALSE, Reason.SPREAD, told)
    if seen.instances is None:
        error = seen.refusal(INSTANCES)
        return Verdict(ConditionStatus.UNKNOWN, error.reason, str(error)) if error else None
    known = [seen.instances[each] for each in ids if each in seen.instances]
    together = _together(known)
    if together:
        return Verdict(
            ConditionStatus.TRUE,
            Reason.ONE_GROUP,
            f"{', '.join(together)} may be on one physical host, so one fault may take them all:"
            " spread them over the groups of a deployment set.",
        )
    alone = sorted(
        e.instance_id for e in known if not e.deployment_set_id and not e.dedicated_host_id
    )
    if len(alone) > 1:
        return Verdict(
            ConditionStatus.TRUE,
            Reason.NO_DEPLOYMENT_SET,
            f"{', '.join(alone)} are in no deployment set, so the cloud may place them on one"
            " physical host: put the nodes into a deployment set.",
        )
    if len(known) < len(ids):
        return None
    return Verdict(
        ConditionStatus.FALSE, Reason.SPREAD, "The members are on physical hosts of their own."
    )


def _together(known: list[InstanceFacts]) -> list[str]:
    """Return the instances of the largest set that the cloud itself says may share a host."""
    places = Counter(place for each in known if (place := _place(each)))
    if not places:
        return []
    place, number = places.most_common(1)[0]
    return sorted(e.instance_id for e in known if _place(e) == place) if number > 1 else []


def _place(facts: InstanceFacts) -> str:
    """Return what stands for the host as far as it is known; empty where nothing is."""
    if facts.dedicated_host_id:
        return f"host {facts.dedicated_host_id}"
    if facts.deployment_set_id and facts.deployment_set_group:
        return f"group {facts.deployment_set_id}/{facts.deployment_set_group}"
    return ""
