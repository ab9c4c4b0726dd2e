"""What to do next for a group of Services, and what to tell each of them. Pure.

At most one write of the HaVip comes out of a decision, and only once each Service that it is for
has the finalizer. While a Service that has the HaVip says something that cannot be used, the HaVip
is held as it is: a slip of the pen must not cost anybody an address.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from havip.api.havip import HaVip, HaVipSpec
from havip.api.havipclass import HaVipClass
from havip.controller.services.annotations import ask, full_name, parse_path
from havip.controller.services.claims import (
    Claim,
    Group,
    Refusal,
    ServiceReason,
    bad_annotations,
)
from havip.controller.services.objects import Service
from havip.controller.services.sharing import Admission, admit
from havip.controller.services.wanted import (
    Wanted,
    differences_of,
    mended_body,
    mentions,
    wanted,
    wanted_spec,
)

PREAMBLE = re.compile(r'^Invalid value: (?:"(?:[^"\\]|\\.)*"|[^\s:]+): ')
"""What the API server puts before the sentence of a rule."""


@dataclass(frozen=True, slots=True)
class RefusedSpec:
    """A spec that the API server would not take, and what it said."""

    spec: HaVipSpec
    message: str
    annotations: frozenset[str] = frozenset()
    """Those it spoke of, without their prefix; none where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All that is known of a group."""

    group: Group
    claims: tuple[Claim, ...]
    klass: HaVipClass | None = None
    havip: HaVip | None = None
    """The group's, found by its label or its owners."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The same as it came."""
    occupant: HaVip | None = None
    """Another's HaVip that has the name the group's would have."""
    occupant_leaves: bool = False
    """Whether that one was made for Services and has none any more."""
    refused: RefusedSpec | None = None


@dataclass(frozen=True, slots=True)
class Make:
    """Create the HaVip."""

    wish: Wanted
    home: str


@dataclass(frozen=True, slots=True)
class Mend:
    """Replace the HaVip by this body."""

    body: Mapping[str, Any] = field(hash=False)
    differences: tuple[str, ...]
    """What is not as it should be."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete the HaVip: nobody asks for it."""

    havip: HaVip


Step = Make | Mend | Remove


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a Service is told."""

    accepted: bool
    reason: ServiceReason
    message: str
    havip: HaVip | None = None
    """The HaVip whose address it has, or is to have."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do next. ``prepare`` comes before ``step``: these lack the finalizer."""

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """By uid of the Service."""
    prepare: tuple[Service, ...] = ()
    step: Step | None = None
    wish: Wanted | None = None
    """What there should be, while nothing stands against it."""


def decide(seen: Sight) -> Decision:
    """Decide on the next step of a group."""
    havip = seen.havip
    going = havip is not None and havip.metadata.deletion_timestamp is not None
    if not seen.claims:
        return Decision(step=Remove(havip) if havip and not going else None)
    incumbents = mentions(havip) if havip else ()
    admission = admit(seen.claims, incumbents, havip.metadata.namespace if havip else "")
    if seen.klass is None:
        return _hold(seen, incumbents, dict.fromkeys(_uids(seen.claims), _no_class(seen.group)))
    wrong = {each.uid: each.objection for each in seen.claims if each.objection}
    if any(each.uid in wrong and each.key in incumbents for each in seen.claims):
        return _hold(seen, incumbents, {**admission.refused, **wrong})
    if not admission.admitted:
        # Whom it served is gone, and nobody who asks can have it.
        told = {uid: _no(refusal) for uid, refusal in admission.refused.items()}
        return Decision(told, step=Remove(havip) if havip and not going else None)
    if going or (havip is None and seen.occupant is not None):
        return _wait(seen, admission)
    spec = wanted_spec(seen.group, admission, seen.klass, havip)
    if seen.refused is not None and seen.refused.spec == spec:
        blamed = _blamed(seen.refused, admission, incumbents)
        return _hold(seen, incumbents, {**admission.refused, **blamed})
    return _proceed(seen, admission, spec)


def _proceed(seen: Sight, admission: Admission, spec: HaVipSpec) -> Decision:
    havip = seen.havip
    services = [each.service for each in admission.admitted]
    home = (havip or services[0]).metadata.namespace
    wish = wanted(seen.group, spec, services, home)
    verdicts = {uid: _no(refusal) for uid, refusal in admission.refused.items()}
    for claim in admission.admitted:
        has = havip if havip and claim.key in mentions(havip) else None
        verdicts[claim.uid] = _yes(claim, f"{home}/{seen.group.name}", services, has)
    step = _mend(seen, havip, wish) if havip else Make(wish, home)
    return replace(_prepared(verdicts, services, step), wish=wish)


def _mend(seen: Sight, havip: HaVip, wish: Wanted) -> Mend | None:
    differences = differences_of(havip, wish)
    return Mend(mended_body(seen.body, havip, wish), differences) if differences else None


def _prepared(
    verdicts: Mapping[str, Verdict], services: Sequence[Service], step: Step | None
) -> Decision:
    unready = tuple(each for each in services if not each.has_finalizer)
    return Decision(verdicts, prepare=unready, step=None if unready else step)


def _hold(seen: Sight, incumbents: Sequence[str], wrong: Mapping[str, Refusal]) -> Decision:
    """Leave the spec as it is; those that went are taken out all the same."""
    havip = seen.havip
    stay = [each for key in incumbents for each in seen.claims if each.key == key]
    services = [each.service for each in stay]
    named = ", ".join(sorted(each.key for each in seen.claims if each.uid in wrong))
    verdicts: dict[str, Verdict] = {}
    for claim in seen.claims:
        has = havip if claim in stay and not _going(havip) else None
        if claim.uid in wrong:
            verdicts[claim.uid] = _no(wrong[claim.uid], has)
        elif claim in stay and havip is not None:
            at = f"{havip.metadata.namespace}/{havip.metadata.name}"
            verdicts[claim.uid] = _yes(claim, at, services, has)
        else:
            told = f"The shared HaVip is left as it is until this is corrected: {named}."
            verdicts[claim.uid] = _no(Refusal(ServiceReason.PENDING, told))
    step: Step | None = None
    if havip is not None and not _going(havip) and stay:
        wish = wanted(seen.group, havip.spec, services, havip.metadata.namespace)
        step = _mend(seen, havip, wish)
    return _prepared(verdicts, services, step)


def _wait(seen: Sight, admission: Admission) -> Decision:
    """Wait for a HaVip to go that has the name; a stranger's is not touched."""
    name = seen.group.name
    if seen.havip is not None or seen.occupant_leaves or _going(seen.occupant):
        told = f"The HaVip {name} is being deleted; another is made when it is gone."
        refusal = None
    else:
        told = (
            f"There is a HaVip {name} that was not made for this Service: rename one of the two,"
            f" or share by another key in {full_name('share')}."
        )
        refusal = Refusal(ServiceReason.NAME_TAKEN, told)
    verdicts = {uid: _no(each) for uid, each in admission.refused.items()}
    for claim in admission.admitted:
        pending = Verdict(True, ServiceReason.PENDING, told)
        verdicts[claim.uid] = _no(refusal) if refusal else pending
    return Decision(verdicts)


def _going(havip: HaVip | None) -> bool:
    return havip is not None and havip.metadata.deletion_timestamp is not None


def _uids(claims: Sequence[Claim]) -> list[str]:
    return [each.uid for each in claims]


def _no_class(group: Group) -> Refusal:
    return Refusal(
        ServiceReason.CLASS_NOT_FOUND,
        f"There is no HaVipClass {group.class_name}: create it, or name one that kubectl get"
        " havipclasses shows in spec.loadBalancerClass.",
    )


def _blamed(
    refused: RefusedSpec, admission: Admission, incumbents: Sequence[str]
) -> dict[str, Refusal]:
    """Find out whose annotation it is that the API server does not take: the last to say it."""
    refusal = Refusal(ServiceReason.INVALID_ANNOTATION, refused.message)
    if not refused.annotations:
        refusal = Refusal(ServiceReason.INVALID_SPEC, refused.message)
    asking = [
        each
        for each in admission.admitted
        if not refused.annotations or refused.annotations & each.asks.keys()
    ] or admission.admitted
    new = [each for each in asking if each.key not in incumbents]
    return dict.fromkeys(_uids(new or asking), refusal)


def _no(refusal: Refusal, havip: HaVip | None = None) -> Verdict:
    return Verdict(False, refusal.reason, refusal.message, havip)


def _yes(claim: Claim, havip: str, services: Sequence[Service], has: HaVip | None) -> Verdict:
    others = [each.key for each in services if each.key != claim.key]
    told = f"It has the HaVip {havip}{', shared with ' if others else ''}{', '.join(others)}."
    if not claim.unknown:
        return Verdict(True, ServiceReason.ACCEPTED, told, has)
    named = ", ".join(full_name(each) for each in claim.unknown)
    return Verdict(
        True,
        ServiceReason.UNKNOWN_ANNOTATION,
        f"{named} means nothing to us and does nothing: correct or remove it.",
        has,
    )


def refused_spec(
    spec: HaVipSpec, claims: Collection[Claim], causes: Mapping[str, str], message: str
) -> RefusedSpec:
    """Say which annotations a refusal is about; ``causes`` are its words on each field."""
    asks: dict[str, str] = {}
    for claim in claims:
        if claim.objection is None:
            asks |= claim.asks
    asked = ask(asks)
    told: list[str] = []
    blamed: set[str] = set()
    for where, words in causes.items():
        annotations = asked.annotations_of(parse_path(where))
        if annotations:
            given = {name: asks[name] for name in annotations}
            told.append(bad_annotations(given, PREAMBLE.sub("", words)).message)
            blamed.update(annotations)
    if told:
        return RefusedSpec(spec, " ".join(told), frozenset(blamed))
    said = "; ".join(f"{field}: {PREAMBLE.sub('', words)}" for field, words in causes.items())
    return RefusedSpec(
        spec,
        f"The HaVip that its annotations ({full_name('...')}) ask for cannot be:"
        f" {said or message}.",
    )
