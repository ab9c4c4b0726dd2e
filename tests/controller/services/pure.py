"""Services, claims and HaVips for the tables of the pure tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from havip.api.havip import HaVip
from havip.api.havipclass import HaVipClass
from havip.controller.services.claims import Claim, Group, claim_of
from havip.controller.services.decision import RefusedSpec, Sight
from havip.controller.services.objects import Service

CREATED = "2026-01-01T00:00:{:02d}Z"


def service(
    key: str = "default/web",
    *,
    age: int = 0,
    annotations: Mapping[str, str] | None = None,
    ports: tuple[str, ...] = ("80/TCP",),
    finalizers: tuple[str, ...] = ("service.kubernetes.io/load-balancer-cleanup",),
    status: Mapping[str, Any] | None = None,
    deleting: bool = False,
    **spec: Any,
) -> Service:
    """A Service; `age` counts seconds from the youngest possible."""
    namespace, _, name = key.partition("/")
    given = {
        "type": "LoadBalancer",
        "loadBalancerClass": "havip.dev/main",
        "selector": {"app": name},
        "ports": [
            {"port": int(port), "protocol": protocol}
            for port, _, protocol in (each.partition("/") for each in ports)
        ],
        **spec,
    }
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}-{name}",
        "annotations": {f"havip.dev/{k}": v for k, v in (annotations or {}).items()},
        "creationTimestamp": CREATED.format(59 - age),
        "finalizers": finalizers,
    }
    if deleting:
        metadata["deletionTimestamp"] = CREATED.format(59)
    return Service.from_json({"metadata": metadata, "spec": given, "status": status or {}})


def claim(key: str = "default/web", **facts: Any) -> Claim:
    """What a Service asks of us."""
    found = claim_of(service(key, **facts))
    assert found is not None
    return found


def klass(**spec: Any) -> HaVipClass:
    return HaVipClass.from_json(
        {
            "metadata": {"name": "main"},
            "spec": {"region": "cn-hangzhou", "vSwitchId": "vsw-1", **spec},
        }
    )


def havip_body(
    key: str = "default/web",
    *,
    serves: str = "default/web",
    labels: Mapping[str, str] | None = None,
    owners: tuple[str, ...] = ("web",),
    annotations: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    deleting: bool = False,
    **spec: Any,
) -> dict[str, Any]:
    """A HaVip made for Services, as the API server gives it."""
    namespace, _, name = key.partition("/")
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-havip-{namespace}-{name}",
        "labels": dict({"havip.dev/service": name} if labels is None else labels),
        "annotations": {"havip.dev/services": serves, **(annotations or {})},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "name": each,
                "uid": f"uid-{namespace}-{each}",
                **({"controller": True} if number == 0 else {}),
            }
            for number, each in enumerate(owners)
        ],
    }
    if deleting:
        metadata["deletionTimestamp"] = CREATED.format(59)
    return {
        "metadata": metadata,
        "spec": {"className": "main", **spec},
        "status": status or {},
    }


def held(address: str = "10.0.0.9", **status: Any) -> dict[str, Any]:
    """The status of a HaVip that a node owns."""
    conditions = [
        {
            "type": each,
            "status": "True",
            "reason": each,
            "message": "",
            "lastTransitionTime": CREATED.format(0),
        }
        for each in ("Held", "Ready")
    ]
    return {"address": address, "conditions": conditions, **status}


ALONE = Group("main", "web", "default")
SHARED = Group("main", "front", "default", shared=True)
ACROSS = Group("main", "front", "", shared=True)


def sight(
    *claims: Claim,
    group: Group = ALONE,
    havip: dict[str, Any] | None = None,
    occupant: dict[str, Any] | None = None,
    known_class: bool = True,
    occupant_leaves: bool = False,
    refused: RefusedSpec | None = None,
    **of_class: Any,
) -> Sight:
    return Sight(
        group=group,
        claims=claims,
        klass=klass(**of_class) if known_class else None,
        havip=HaVip.from_json(havip) if havip else None,
        body=havip or {},
        occupant=HaVip.from_json(occupant) if occupant else None,
        occupant_leaves=occupant_leaves,
        refused=refused,
    )
