"""What the watches brought of Services: those that are ours or were, and which group each is in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from havip.api.havip import HaVip
from havip.api.names import LABEL_SERVICE, LABEL_SHARE, LOAD_BALANCER_CLASS_PREFIX
from havip.controller.services.annotations import SHARE, full_name
from havip.controller.services.claims import Claim, Group, claim_of, concerns
from havip.controller.services.decision import RefusedSpec, Sight
from havip.controller.services.objects import LOAD_BALANCER, Service
from havip.controller.services.sharing import in_order
from havip.controller.services.wanted import mentions
from havip.controller.world import World

log = logging.getLogger(__name__)


class Demand:
    """A memory of the Services that concern us; all others leave no trace."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._claims: dict[str, Claim] = {}
        self._departing: dict[str, Service] = {}

    def saw(self, body: Mapping[str, Any]) -> bool:
        """Take note of a Service, and tell whether it concerns us, or did."""
        uid = body["metadata"]["uid"]
        known = self.lost(uid)
        if not concerns(body):
            return known
        try:
            service = Service.from_json(body)
        except ValidationError as error:
            log.error("Service %s cannot be read: %s", body["metadata"]["name"], error)
            return known
        claim = claim_of(service)
        if claim is not None:
            self._claims[uid] = claim
        elif service.marked:
            self._departing[uid] = service
        return known or claim is not None or service.marked

    def lost(self, uid: str) -> bool:
        """Forget a Service, and tell whether it was known."""
        departing = self._departing.pop(uid, None)
        return self._claims.pop(uid, None) is not None or departing is not None

    def version_of(self, uid: str) -> str:
        """Return the version in which a Service is known; empty where it is not."""
        claim = self._claims.get(uid)
        known = claim.service if claim else self._departing.get(uid)
        return known.metadata.resource_version if known else ""

    @property
    def departing(self) -> Mapping[str, Service]:
        """By uid: those that ask for nothing any more and that we have not yet taken leave of."""
        return self._departing

    def group_of_service(self, uid: str) -> Group | None:
        """Return the group that a Service is in; None when it asks for nothing."""
        claim = self._claims.get(uid)
        return self._group(claim) if claim else None

    @property
    def groups(self) -> frozenset[Group]:
        """The groups that there must be: of all claims, and of all HaVips made for Services."""
        asked = {self._group(each) for each in self._claims.values()}
        made = {self.group_of(each) for each in self._world.havips.values()}
        return frozenset(asked | {each for each in made if each is not None})

    def _group(self, claim: Claim) -> Group:
        meta = claim.service.metadata
        if not claim.share:
            return Group(claim.class_name, meta.name, meta.namespace)
        return self._sharing(claim.class_name, claim.share, meta.namespace)

    def _sharing(self, class_name: str, key: str, namespace: str) -> Group:
        klass = self._world.classes.get(class_name)
        across = klass is not None and klass.spec.services.share_across_namespaces
        return Group(class_name, key, "" if across else namespace, shared=True)

    def group_of(self, havip: HaVip) -> Group | None:
        """Return the group that a HaVip was made for: by its label, else by its owner."""
        meta, class_name = havip.metadata, havip.spec.class_name
        if key := meta.labels.get(LABEL_SHARE):
            return self._sharing(class_name, key, meta.namespace)
        if name := meta.labels.get(LABEL_SERVICE):
            return Group(class_name, name, meta.namespace)
        owners = (self._claims.get(each.uid) for each in meta.owner_references)
        groups = (self._group(each) for each in owners if each is not None)
        return next((each for each in groups if each.name == meta.name), None)

    def sight(self, group: Group, refused: RefusedSpec | None) -> Sight:
        """Return all that is known of a group."""
        claims = tuple(each for each in self._claims.values() if self._group(each) == group)
        mine = [each for each in self._world.havips.values() if self.group_of(each) == group]
        # One that somebody copied by hand, label and all, came later.
        mine.sort(key=lambda each: (str(each.metadata.creation_timestamp), each.metadata.uid))
        havip = mine[0] if mine else None
        first = next(iter(in_order(claims, ())), None)
        home = group.namespace or (first.service.metadata.namespace if first else "")
        occupant = None if havip else self._named(home, group.name)
        its_group = self.group_of(occupant) if occupant else None
        return Sight(
            group=group,
            claims=claims,
            klass=self._world.classes.get(group.class_name),
            havip=havip,
            body=self._world.bodies.get(havip.metadata.uid, {}) if havip else {},
            occupant=occupant,
            occupant_leaves=its_group is not None
            and not any(self._group(each) == its_group for each in self._claims.values()),
            refused=refused,
        )

    def _named(self, namespace: str, name: str) -> HaVip | None:
        return next(
            (
                each
                for each in self._world.havips.values()
                if (each.metadata.namespace, each.metadata.name) == (namespace, name)
            ),
            None,
        )


def still_asks(body: Mapping[str, Any] | None, havip: HaVip) -> bool:
    """Tell whether a Service, read just now, is one that this HaVip was made for. Errs to yes."""
    if body is None or body["metadata"].get("deletionTimestamp"):
        return False
    spec, annotations = body.get("spec") or {}, body["metadata"].get("annotations") or {}
    class_name = f"{LOAD_BALANCER_CLASS_PREFIX}{havip.spec.class_name}"
    if (spec.get("type"), spec.get("loadBalancerClass")) != (LOAD_BALANCER, class_name):
        return False
    key = havip.metadata.labels.get(LABEL_SHARE, "")
    return bool(annotations.get(full_name(SHARE), "").strip() == key)


def whom_to_ask(havip: HaVip) -> tuple[str, ...]:
    """Return the Services, as in default/web, that must be read before a HaVip is deleted."""
    namespace = havip.metadata.namespace
    owners = (each for each in havip.metadata.owner_references if each.kind == "Service")
    return tuple({*mentions(havip), *(f"{namespace}/{each.name}" for each in owners)})
