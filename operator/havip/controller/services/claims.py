"""What a Service asks of us, read once and judged as far as it can be judged alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Any

from pydantic import ValidationError

from havip.api.havip import HaVipSpec
from havip.api.names import (
    LOAD_BALANCER_CLASS_PREFIX,
    SERVICE_ANNOTATION_PREFIX,
    SERVICE_CONDITION_PREFIX,
)
from havip.controller.services.annotations import (
    ADDRESS,
    KNOWN,
    SHARE,
    BadAnnotation,
    ask,
    full_name,
)
from havip.controller.services.objects import LOAD_BALANCER, Service, ServicePort

SHARE_KEY = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
IPV6 = "IPv6"


class ServiceReason(StrEnum):
    """Why a Service is, or is not, served; the reason of its conditions and events."""

    ACCEPTED = "Accepted"
    UNKNOWN_ANNOTATION = "UnknownAnnotation"
    INVALID_ANNOTATION = "InvalidAnnotation"
    INVALID_SPEC = "InvalidSpec"
    FAMILY_REFUSED = "FamilyRefused"
    CLASS_NOT_FOUND = "ClassNotFound"
    NAME_TAKEN = "NameTaken"
    PORTS_TAKEN = "PortsTaken"
    SHARING_REFUSED = "SharingRefused"
    PENDING = "Pending"
    SERVED = "Served"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a Service cannot be served as it is, and what to change."""

    reason: ServiceReason
    message: str


@dataclass(frozen=True, slots=True)
class Group:
    """Those that have one HaVip: a Service alone, or all with one key."""

    class_name: str
    name: str
    """Of the HaVip: the Service's own, or the key."""
    namespace: str
    """Empty where Services of all namespaces belong to it."""
    shared: bool = False

    def __str__(self) -> str:
        return f"{self.namespace or '*'}/{self.name} of {self.class_name}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A Service of type LoadBalancer of our class that is not being deleted."""

    service: Service
    class_name: str
    share: str
    """The key by which it shares a HaVip; empty for one of its own."""
    asks: Mapping[str, str]
    """Annotations that stand for a field, by their names without the prefix."""
    unknown: tuple[str, ...]
    """Annotations under our prefix that stand for nothing."""
    objection: Refusal | None
    """What is wrong with it whatever the others do."""

    @property
    def uid(self) -> str:
        """Uid of the Service."""
        return self.service.metadata.uid

    @property
    def key(self) -> str:
        """Namespace and name of the Service."""
        return self.service.key

    @property
    def ports(self) -> frozenset[ServicePort]:
        """Its ports."""
        return frozenset(self.service.spec.ports)


def concerns(body: Mapping[str, Any]) -> bool:
    """Tell whether a Service can be ours, or was, without reading all of it: most are neither."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if str(spec.get("loadBalancerClass") or "").startswith(LOAD_BALANCER_CLASS_PREFIX):
        return True
    conditions = status.get("conditions") or []
    return any(each["type"].startswith(SERVICE_CONDITION_PREFIX) for each in conditions)


def claim_of(service: Service) -> Claim | None:
    """Read what a Service asks of us; None when it asks nothing (any more)."""
    spec = service.spec
    class_name = (spec.load_balancer_class or "").removeprefix(LOAD_BALANCER_CLASS_PREFIX)
    ours = class_name != (spec.load_balancer_class or "")
    deleting = service.metadata.deletion_timestamp is not None
    if spec.type != LOAD_BALANCER or not ours or deleting:
        return None
    given = {
        name.removeprefix(SERVICE_ANNOTATION_PREFIX): text
        for name, text in service.metadata.annotations.items()
        if name.startswith(SERVICE_ANNOTATION_PREFIX)
    }
    share = given.get(SHARE, "").strip()
    asks = {name: text for name, text in given.items() if name in KNOWN - {SHARE}}
    if spec.load_balancer_ip:
        asks.setdefault(ADDRESS, spec.load_balancer_ip)
    return Claim(
        service=service,
        class_name=class_name,
        share=share if SHARE_KEY.fullmatch(share) else "",
        asks=asks,
        unknown=tuple(sorted(given.keys() - KNOWN)),
        objection=_objection(service, given, asks),
    )


def _objection(
    service: Service, given: Mapping[str, str], asks: Mapping[str, str]
) -> Refusal | None:
    return _family_objection(service) or _annotation_objection(service, given, asks)


def _family_objection(service: Service) -> Refusal | None:
    spec = service.spec
    if IPV6 in spec.ip_families:
        return Refusal(
            ServiceReason.FAMILY_REFUSED,
            "A HaVip has an IPv4 address and no other: set spec.ipFamilies to [IPv4] and"
            " spec.ipFamilyPolicy to SingleStack.",
        )
    other = [each for each in spec.load_balancer_source_ranges if _is_ipv6(each)]
    if other:
        return Refusal(
            ServiceReason.FAMILY_REFUSED,
            f"Traffic to a HaVip is IPv4, so nothing ever comes from {', '.join(other)}: take"
            " this out of spec.loadBalancerSourceRanges.",
        )
    return None


def _is_ipv6(block: str) -> bool:
    try:
        return ip_network(block.strip(), strict=False).version == 6
    except ValueError:
        return False


def _annotation_objection(
    service: Service, given: Mapping[str, str], asks: Mapping[str, str]
) -> Refusal | None:
    share = given.get(SHARE)
    if share is not None and not SHARE_KEY.fullmatch(share.strip()):
        told = "the key has 1 to 63 lower-case letters, digits and -, as in shop-front"
        return bad_annotation(SHARE, share, told)
    wanted = service.spec.load_balancer_ip
    if wanted and asks[ADDRESS].strip() != wanted:
        told = f"spec.loadBalancerIP says {wanted}: leave one of the two out"
        return bad_annotation(ADDRESS, asks[ADDRESS], told)
    return refusal_of(asks)


def refusal_of(asks: Mapping[str, str]) -> Refusal | None:
    """Judge annotations by the models; what only the API server can judge it will say itself."""
    try:
        asked = ask(asks)
    except BadAnnotation as error:
        return bad_annotation(error.annotation, asks[error.annotation], str(error))
    try:
        HaVipSpec.from_json({"className": "any", **asked.spec})
    except ValidationError as error:
        first = error.errors()[0]
        blamed = {name: asks[name] for name in asked.annotations_of(first["loc"])}
        return bad_annotations(blamed, first["msg"])
    return None


def bad_annotation(annotation: str, value: str, why: str) -> Refusal:
    """Say that an annotation cannot be used, and why."""
    return bad_annotations({annotation: value}, why)


def bad_annotations(annotations: Mapping[str, str], why: str) -> Refusal:
    """Say that annotations, with these values, cannot be used together, and why."""
    told = " with ".join(f'{_named(name)} "{_shown(text)}"' for name, text in annotations.items())
    kind = "annotation" if len(annotations) == 1 else "annotations"
    return Refusal(
        ServiceReason.INVALID_ANNOTATION, f"The {kind} {told} cannot be: {why.rstrip('.')}."
    )


def _named(annotation: str) -> str:
    also = " (or spec.loadBalancerIP)" if annotation == ADDRESS else ""
    return f"{full_name(annotation)}{also}"


def _shown(value: str) -> str:
    return value if len(value) <= 80 else f"{value[:77]}..."
