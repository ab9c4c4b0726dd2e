"""Which Services of a group have its HaVip: in the order in which they came. Pure.

Who has it keeps it. A Service that comes later, or changes, has to fit to those before it; the
order is kept on the HaVip itself, so it outlives us.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from havip.controller.services.annotations import full_name
from havip.controller.services.claims import Claim, Refusal, ServiceReason
from havip.controller.services.objects import TrafficPolicy


@dataclass(frozen=True, slots=True)
class Admission:
    """Who has the HaVip, first come first, and why the others have not, by uid."""

    admitted: tuple[Claim, ...]
    refused: Mapping[str, Refusal]

    @property
    def asks(self) -> dict[str, str]:
        """All that the admitted ask for; none of them contradicts another."""
        together: dict[str, str] = {}
        for claim in self.admitted:
            together |= claim.asks
        return together


def in_order(claims: Collection[Claim], incumbents: Sequence[str]) -> tuple[Claim, ...]:
    """Sort: those that have the HaVip as they came, then the others by age."""

    def rank(claim: Claim) -> tuple[int, str, str]:
        place = incumbents.index(claim.key) if claim.key in incumbents else len(incumbents)
        created = claim.service.metadata.creation_timestamp
        return place, created.isoformat() if created else "", claim.key

    return tuple(sorted(claims, key=rank))


def admit(claims: Collection[Claim], incumbents: Sequence[str], home: str) -> Admission:
    """Decide who has the HaVip; ``home`` is its namespace, empty where it is still to be made."""
    admitted: list[Claim] = []
    refused: dict[str, Refusal] = {}
    for claim in in_order(claims, incumbents):
        refusal = claim.objection or _disagreement(claim, admitted, home)
        if refusal is not None:
            refused[claim.uid] = refusal
        else:
            admitted.append(claim)
            home = home or claim.service.metadata.namespace
    return Admission(tuple(admitted), refused)


def _disagreement(claim: Claim, before: Sequence[Claim], home: str) -> Refusal | None:
    policy = claim.service.spec.external_traffic_policy
    namespace = claim.service.metadata.namespace
    if policy is TrafficPolicy.LOCAL and home and namespace != home:
        return Refusal(
            ServiceReason.SHARING_REFUSED,
            f"The shared HaVip is in namespace {home}, and only Services there can have"
            " externalTrafficPolicy Local: set it to Cluster, or take another key.",
        )
    for other in before:
        refusal = (
            _port_clash(claim, other) or _policy_clash(claim, other) or _contradiction(claim, other)
        )
        if refusal is not None:
            return refusal
    return None


def _port_clash(claim: Claim, other: Claim) -> Refusal | None:
    common = claim.ports & other.ports
    if not common:
        return None
    told = ", ".join(sorted(f"{each.port}/{each.protocol}" for each in common))
    return Refusal(
        ServiceReason.PORTS_TAKEN,
        f"{other.key} has {told} of the shared HaVip already: use another port, or take another"
        f" key in {full_name('share')}.",
    )


def _policy_clash(claim: Claim, other: Claim) -> Refusal | None:
    mine, its = claim.service.spec, other.service.spec
    if mine.external_traffic_policy is not its.external_traffic_policy:
        return Refusal(
            ServiceReason.SHARING_REFUSED,
            f"{other.key}, which shares the HaVip, has externalTrafficPolicy"
            f" {its.external_traffic_policy}, this one {mine.external_traffic_policy}: the node"
            " that owns the address can suit one of them only. Make them equal.",
        )
    if mine.external_traffic_policy is TrafficPolicy.LOCAL and mine.selector != its.selector:
        return Refusal(
            ServiceReason.SHARING_REFUSED,
            f"{other.key}, which shares the HaVip, selects other pods, and with"
            " externalTrafficPolicy Local the owner must have endpoints of both: make the"
            " selectors equal, or set the policy to Cluster.",
        )
    return None


def _contradiction(claim: Claim, other: Claim) -> Refusal | None:
    for name in sorted(claim.asks.keys() & other.asks.keys()):
        if claim.asks[name].strip() != other.asks[name].strip():
            return Refusal(
                ServiceReason.SHARING_REFUSED,
                f"{full_name(name)} is {other.asks[name]} at {other.key}, which shares the HaVip:"
                " make it equal, or leave it out here.",
            )
    return None
