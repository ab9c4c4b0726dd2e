"""What a Service is told: the addresses, the conditions, the events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from havip.api.conditions import find_condition
from havip.api.havip import HaVip
from havip.controller.services.claims import ServiceReason
from havip.controller.services.decision import Verdict
from havip.controller.services.objects import Service, ServiceStatus
from havip.controller.services.status import (
    ACCEPTED,
    READY,
    departed_status,
    ingress,
    service_news,
    service_status,
)

from .pure import CREATED, havip_body, held, service

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EIP: dict[str, Any] = {"allocate": {}}


def there(status: dict[str, Any] | None = None, **facts: Any) -> HaVip:
    return HaVip.from_json(havip_body(status=status, **facts))


def published(*addresses: str) -> Service:
    return service(status={"loadBalancer": {"ingress": [{"ip": each} for each in addresses]}})


def addresses(at: Service, havip: HaVip | None) -> list[str]:
    return [each.ip for each in ingress(at, havip)]


def yes(havip: HaVip | None) -> Verdict:
    return Verdict(True, ServiceReason.ACCEPTED, "It has a HaVip.", havip)


UNHELD = {"address": "10.0.0.9"}
ADDRESSES: dict[str, tuple[Service, HaVip | None, list[str]]] = {
    "no HaVip": (service(), None, []),
    "no address yet": (service(), there(), []),
    "an address that nobody holds": (service(), there(UNHELD), []),
    "an address that is held": (service(), there(held()), ["10.0.0.9"]),
    "one that was published and is not held just now": (
        published("10.0.0.9"),
        there(UNHELD),
        ["10.0.0.9"],
    ),
    "another than the one that was published": (published("10.0.0.8"), there(UNHELD), []),
    "an EIP": (
        service(),
        there(held(eipAddress="203.0.113.7"), eip=EIP),
        ["203.0.113.7", "10.0.0.9"],
    ),
    "an EIP that is not bound yet": (service(), there(held(), eip=EIP), []),
    "an EIP that is gone for the moment": (
        published("203.0.113.7", "10.0.0.9"),
        there(held(), eip=EIP),
        ["203.0.113.7", "10.0.0.9"],
    ),
    "an EIP that was taken away": (
        published("203.0.113.7", "10.0.0.9"),
        there(held()),
        ["10.0.0.9"],
    ),
    "an EIP that somebody bound by hand": (
        service(),
        there(held(eipAddress="203.0.113.7")),
        ["203.0.113.7", "10.0.0.9"],
    ),
    "a HaVip that is being deleted": (published("10.0.0.9"), there(held(), deleting=True), []),
}


@pytest.mark.parametrize(("at", "havip", "told"), ADDRESSES.values(), ids=ADDRESSES)
def test_where_a_service_is_reached(at: Service, havip: HaVip | None, told: list[str]) -> None:
    assert addresses(at, havip) == told


def test_each_address_bears_the_mode_and_all_ports() -> None:
    at = service(ports=("80/TCP", "53/UDP"))
    status = service_status(at, yes(there(held())), NOW).to_json()
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]
    assert status["loadBalancer"] == {
        "ingress": [{"ip": "10.0.0.9", "ipMode": "VIP", "ports": ports}]
    }


@pytest.mark.parametrize(
    ("verdict", "accepted", "ready"),
    [
        (yes(None), ("True", "Accepted"), ("False", "Pending")),
        (yes(there(UNHELD)), ("True", "Accepted"), ("False", "Pending")),
        (yes(there(held())), ("True", "Accepted"), ("True", "Served")),
        (
            Verdict(False, ServiceReason.PORTS_TAKEN, "another has it"),
            ("False", "PortsTaken"),
            ("False", "PortsTaken"),
        ),
        # It is served as it was while its change is refused.
        (
            Verdict(False, ServiceReason.INVALID_ANNOTATION, "no", there(held())),
            ("False", "InvalidAnnotation"),
            ("True", "Served"),
        ),
    ],
)
def test_conditions_say_whether_it_is_served_and_why_not(
    verdict: Verdict, accepted: tuple[str, str], ready: tuple[str, str]
) -> None:
    conditions = service_status(service(), verdict, NOW).conditions
    for type_, told in ((ACCEPTED, accepted), (READY, ready)):
        found = find_condition(conditions, type_)
        assert found is not None
        assert (found.status, found.reason) == told


def test_what_is_so_already_is_not_reported_again() -> None:
    first = service_status(service(), yes(there(held())), NOW)
    again = service(status=first.to_json())
    assert service_status(again, yes(there(held())), datetime.now(UTC)) == again.status


def test_the_conditions_of_others_stay_and_ours_go_at_the_end() -> None:
    theirs = {
        "type": "example.com/Fine",
        "status": "True",
        "reason": "Fine",
        "message": "",
        "lastTransitionTime": CREATED.format(0),
    }
    at = service(status={"conditions": [theirs]})
    during = service(status=service_status(at, yes(None), NOW).to_json())
    assert [each.type for each in during.status.conditions] == ["example.com/Fine", ACCEPTED, READY]
    assert departed_status(during).conditions == at.status.conditions


def events(before: ServiceStatus, after: ServiceStatus) -> list[tuple[str, bool]]:
    return [(each.reason, each.warning) for each in service_news(before, after)]


def test_a_refusal_an_unknown_annotation_and_an_address_are_told_once() -> None:
    at = service()
    refused = service_status(at, Verdict(False, ServiceReason.PORTS_TAKEN, "no"), NOW)
    assert events(at.status, refused) == [("PortsTaken", True)]
    assert events(refused, refused) == []
    odd = service_status(at, Verdict(True, ServiceReason.UNKNOWN_ANNOTATION, "what?"), NOW)
    assert events(refused, odd) == [("UnknownAnnotation", True)]
    served = service_status(at, yes(there(held())), NOW)
    assert events(odd, served) == [("AddressPublished", False)]
    assert events(served, odd) == [("UnknownAnnotation", True), ("AddressWithdrawn", False)]
