"""The HaVip that a group of Services is to have. Pure.

Its spec is what the class gives, what the Services' annotations say, and for externalTrafficPolicy
Local the check of the endpoints. Labels and annotations of others on it are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from havip.api.havip import HaVip, HaVipSpec
from havip.api.havipclass import HaVipClass
from havip.api.metadata import OwnerReference
from havip.api.names import (
    ANNOTATION_PREFERRED,
    ANNOTATION_SERVICES,
    API_VERSION,
    HAVIP_KIND,
    LABEL_SERVICE,
    LABEL_SHARE,
)
from havip.controller.services.annotations import ask
from havip.controller.services.claims import Claim, Group
from havip.controller.services.objects import Service, TrafficPolicy
from havip.controller.services.sharing import Admission
from havip.controller.services.spread import preferences_of, priorities

ENDPOINTS_CHECK = "endpoints"
"""Name of the check that externalTrafficPolicy Local stands for."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of a HaVip that we have a say in."""

    spec: HaVipSpec
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owners: tuple[OwnerReference, ...]


def wanted_spec(
    group: Group, admission: Admission, klass: HaVipClass, havip: HaVip | None
) -> HaVipSpec:
    """Return the spec; ``havip`` is what there is. The claims are known to be readable."""
    spec: Json = {"className": group.class_name, **_defaults(klass)}
    _merge(spec, ask(admission.asks).spec)
    if local := _local_check(admission.admitted):
        spec["health"] = [*spec.get("health", ()), local]
    if "priorities" not in spec.get("election", {}):
        chosen = priorities(preferences_of(havip)) if havip else []
        spec["election"] = {**spec.get("election", {}), "priorities": chosen}
    if havip is not None and havip.spec.address:
        # It cannot be taken back once it is allocated, and says no more than the status.
        spec.setdefault("address", havip.spec.address)
    return HaVipSpec.from_json(spec)


def _defaults(klass: HaVipClass) -> Json:
    given = klass.spec.defaults
    if given is None:
        return {}
    spec: Json = {"tags": dict(given.tags)}
    if given.profile:
        spec["election"] = {"profile": given.profile}
    if given.deletion_policy:
        spec["deletionPolicy"] = given.deletion_policy
    if given.resource_group_id:
        spec["resourceGroupId"] = given.resource_group_id
    return spec


def _merge(below: Json, above: Mapping[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            _merge(below[name], value)
        else:
            below[name] = value


def _local_check(admitted: Sequence[Claim]) -> Json | None:
    """One check serves all: those that share with this policy select the same pods."""
    for claim in admitted:
        meta, spec = claim.service.metadata, claim.service.spec
        if spec.external_traffic_policy is TrafficPolicy.LOCAL:
            watched: Json = {"service": meta.name}
            if spec.health_check_node_port:
                watched["healthCheckNodePort"] = spec.health_check_node_port
            return {"name": ENDPOINTS_CHECK, "endpoints": watched}
    return None


def wanted(group: Group, spec: HaVipSpec, services: Sequence[Service], home: str) -> Wanted:
    """Return the HaVip of this spec in namespace ``home`` that these Services have."""
    return Wanted(
        spec=spec,
        labels={LABEL_SHARE if group.shared else LABEL_SERVICE: group.name},
        annotations={ANNOTATION_SERVICES: ",".join(each.key for each in services)},
        owners=tuple(
            OwnerReference(
                api_version="v1",
                kind="Service",
                name=each.metadata.name,
                uid=each.metadata.uid,
                controller=True if number == 0 else None,
            )
            for number, each in enumerate(
                each for each in services if each.metadata.namespace == home
            )
        ),
    )


def new_body(group: Group, wish: Wanted, home: str, hosts: Sequence[str]) -> Json:
    """Return the HaVip to create, which prefers these hosts."""
    spec = wish.spec
    annotations = dict(wish.annotations)
    if hosts and not spec.election.priorities:
        annotations[ANNOTATION_PREFERRED] = ",".join(hosts)
        election = {**spec.election.to_json(), "priorities": priorities(hosts)}
        spec = HaVipSpec.from_json({**spec.to_json(), "election": election})
    return {
        "apiVersion": API_VERSION,
        "kind": HAVIP_KIND,
        "metadata": {
            "name": group.name,
            "namespace": home,
            "labels": dict(wish.labels),
            "annotations": annotations,
            "ownerReferences": [each.to_json() for each in wish.owners],
        },
        "spec": spec.to_json(),
    }


def differences_of(havip: HaVip, wish: Wanted) -> tuple[str, ...]:
    """Name what of a HaVip is not as it should be, as in spec.election."""
    meta = havip.metadata
    its, ours = havip.spec.to_json(), wish.spec.to_json()
    differing = [
        f"spec.{name}" for name in sorted({*its, *ours}) if its.get(name) != ours.get(name)
    ]
    if not wish.labels.items() <= meta.labels.items():
        differing.append("metadata.labels")
    if not wish.annotations.items() <= meta.annotations.items():
        differing.append("metadata.annotations")
    if meta.owner_references != (*_other_owners(havip), *wish.owners):
        differing.append("metadata.ownerReferences")
    return tuple(differing)


def mended_body(body: Mapping[str, Any], havip: HaVip, wish: Wanted) -> Json:
    """Return the HaVip as it should be, from how it came."""
    meta = havip.metadata
    metadata = dict(body["metadata"])
    metadata.pop("managedFields", None)
    metadata["labels"] = {**meta.labels, **wish.labels}
    metadata["annotations"] = {**meta.annotations, **wish.annotations}
    owners = (*_other_owners(havip), *wish.owners)
    metadata["ownerReferences"] = [each.to_json() for each in owners]
    return {
        **body,
        "apiVersion": API_VERSION,
        "kind": HAVIP_KIND,
        "metadata": metadata,
        "spec": wish.spec.to_json(),
    }


def _other_owners(havip: HaVip) -> tuple[OwnerReference, ...]:
    return tuple(each for each in havip.metadata.owner_references if each.kind != "Service")


def mentions(havip: HaVip) -> tuple[str, ...]:
    """Return whom a HaVip serves by its annotation, as in default/web, first come first."""
    text = havip.metadata.annotations.get(ANNOTATION_SERVICES, "")
    return tuple(each for each in text.split(",") if each)


def belongs_to(havip: HaVip, service: Service) -> bool:
    """Tell whether a HaVip says, in either way, that it is this Service's."""
    uids = {each.uid for each in havip.metadata.owner_references}
    return service.metadata.uid in uids or service.key in mentions(havip)
