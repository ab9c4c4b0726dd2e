"""What is reported of a Service: where it is reached, and why it is not. Pure.

An address is published once a node owns it, and stays published from then on: taking it back for
the tenths of a second of a failover would make every node's proxy drop its rules for it.
"""

from __future__ import annotations

from datetime import datetime

from havip.api.conditions import (
    ConditionStatus,
    ConditionType,
    find_condition,
    is_true,
    set_condition,
)
from havip.api.havip import HaVip
from havip.api.names import SERVICE_CONDITION_PREFIX
from havip.controller.events import News
from havip.controller.services.claims import ServiceReason
from havip.controller.services.decision import Verdict
from havip.controller.services.objects import (
    Ingress,
    IpMode,
    LoadBalancerStatus,
    Service,
    ServiceStatus,
)

ACCEPTED = f"{SERVICE_CONDITION_PREFIX}{ConditionType.ACCEPTED}"
READY = f"{SERVICE_CONDITION_PREFIX}{ConditionType.READY}"


def service_status(service: Service, verdict: Verdict, now: datetime) -> ServiceStatus:
    """Return the status to report of a Service that asks for an address."""
    reached = ingress(service, verdict.havip)
    accepted = (verdict.accepted, verdict.reason, verdict.message)
    conditions = service.status.conditions
    for type_, stands in ((ACCEPTED, accepted), (READY, _ready(verdict, reached))):
        value, reason, message = stands
        # An event takes no longer message.
        conditions = set_condition(conditions, type_, value, reason, message[:1000], now=now)
    return ServiceStatus(
        load_balancer=LoadBalancerStatus(ingress=reached or None), conditions=conditions
    )


def departed_status(service: Service) -> ServiceStatus:
    """Return the status of a Service that asks for nothing any more, without a trace of us.

    What is in its ``loadBalancer`` is not ours: the API server clears it with the type, and from
    then on it is another's to write.
    """
    return ServiceStatus(
        load_balancer=service.status.load_balancer, conditions=service.unmarked_conditions
    )


def ingress(service: Service, havip: HaVip | None) -> tuple[Ingress, ...]:
    """Return where a Service is reached: the EIP, if there is one, and the HaVip's own address.

    Both, since traffic to the EIP arrives with the HaVip's address as its destination, and a node's
    proxy serves the addresses that stand here and no others.
    """
    if havip is None or havip.metadata.deletion_timestamp is not None or not havip.status.address:
        return ()
    before = service.status.load_balancer.ingress or ()
    published = [each.ip for each in before]
    own, public = havip.status.address, havip.status.eip_address
    if own not in published and not is_true(havip.status.conditions, ConditionType.HELD):
        return ()
    if havip.spec.eip is not None and public is None:
        if own not in published:
            return ()
        addresses = published
    else:
        addresses = [public, own] if public else [own]
    ports = service.spec.ports
    return tuple(Ingress(ip=each, ip_mode=IpMode.VIP, ports=ports) for each in addresses)


def _ready(verdict: Verdict, reached: tuple[Ingress, ...]) -> tuple[bool, str, str]:
    havip = verdict.havip
    if havip is None and not verdict.accepted:
        return False, verdict.reason, verdict.message
    if havip is None:
        told = verdict.message if verdict.reason is ServiceReason.PENDING else ""
        return False, ServiceReason.PENDING, told or "Its HaVip is being made."
    its = find_condition(havip.status.conditions, ConditionType.READY)
    if its is None:
        return False, ServiceReason.PENDING, "Nobody has looked at its HaVip yet."
    if its.status is ConditionStatus.TRUE and reached:
        told = " and ".join(each.ip for each in reached)
        return True, ServiceReason.SERVED, f"Traffic to {told} is answered."
    return False, its.reason, its.message


def service_news(before: ServiceStatus, after: ServiceStatus) -> tuple[News, ...]:
    """Tell what changed from one status to the next."""
    told: list[News] = []
    was, now = (find_condition(each.conditions, ACCEPTED) for each in (before, after))
    if now is not None and (was and (was.reason, was.message)) != (now.reason, now.message):
        refused = now.status is not ConditionStatus.TRUE
        if refused or now.reason == ServiceReason.UNKNOWN_ANNOTATION:
            told.append(News(now.reason, now.message, warning=True))
    had, has = (
        [each.ip for each in status.load_balancer.ingress or ()] for status in (before, after)
    )
    if has and has != had:
        told.append(News("AddressPublished", f"It is reached at {' and '.join(has)}."))
    if had and not has:
        told.append(News("AddressWithdrawn", f"It is reached at {' and '.join(had)} no longer."))
    return tuple(told)
