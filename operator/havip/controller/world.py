"""What the watches brought: the objects of Kubernetes, as they were last heard of."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from havip.api.havip import HaVip
from havip.api.havipclass import HaVipClass
from havip.api.havipnode import HaVipNode, HaVipNodeStatus
from havip.api.names import LABEL_UID
from havip.controller.observe import NodeFacts, RegisterFacts, node_facts
from havip.controller.register import register_facts

log = logging.getLogger(__name__)

Body = Mapping[str, Any]


class World:
    """A memory of objects. Each ``saw_...`` tells whether the change can matter to a HaVip."""

    def __init__(self) -> None:
        self.havips: dict[str, HaVip] = {}
        """By uid."""
        self.bodies: dict[str, Body] = {}
        """The same as they came, for events about them."""
        self.classes: dict[str, HaVipClass] = {}
        self.registers: dict[str, RegisterFacts] = {}
        """By uid of the HaVip."""
        self.registers_known = asyncio.Event()
        """Set once the registers were listed; before, a missing one means nothing."""
        self.services_known = asyncio.Event()
        """The same of the Services."""
        self._nodes: dict[str, Body] = {}
        self._agents: dict[str, HaVipNodeStatus] = {}
        self._facts: dict[str, NodeFacts] = {}

    @property
    def nodes(self) -> tuple[NodeFacts, ...]:
        """All nodes, by name."""
        return tuple(self._facts[name] for name in sorted(self._facts))

    def saw_havip(self, body: Body) -> str:
        """Take note of a HaVip and return its uid, empty if it cannot be read."""
        try:
            havip = HaVip.from_json(body)
        except ValidationError as error:
            log.error("HaVip %s cannot be read: %s", body["metadata"]["name"], error)
            return ""
        self.havips[havip.metadata.uid] = havip
        self.bodies[havip.metadata.uid] = body
        return havip.metadata.uid

    def lost_havip(self, uid: str) -> None:
        """Forget a HaVip."""
        self.havips.pop(uid, None)
        self.bodies.pop(uid, None)

    def saw_class(self, body: Body, *, gone: bool = False) -> bool:
        """Take note of a HaVipClass."""
        name = body["metadata"]["name"]
        before = self.classes.pop(name, None)
        if gone:
            return before is not None
        try:
            after = HaVipClass.from_json(body)
        except ValidationError as error:
            log.error("HaVipClass %s cannot be read: %s", name, error)
            return before is not None
        self.classes[name] = after
        return before is None or before.spec != after.spec

    def saw_node(self, body: Body, *, gone: bool = False) -> bool:
        """Take note of a Node; its frequent heartbeats matter to nobody."""
        name = body["metadata"]["name"]
        if gone:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = {
                "metadata": {"name": name, "labels": dict(body["metadata"].get("labels") or {})},
                "spec": dict(body.get("spec") or {}),
                "status": {"conditions": list(body.get("status", {}).get("conditions") or [])},
            }
        return self._changed(name)

    def saw_agent(self, body: Body, *, gone: bool = False) -> bool:
        """Take note of a HaVipNode; a heartbeat alone matters only after a silence."""
        name = body["metadata"]["name"]
        before = self._agents.pop(name, None)
        if not gone:
            try:
                self._agents[name] = HaVipNode.from_json(body).status
            except ValidationError as error:
                log.error("HaVipNode %s cannot be read: %s", name, error)
        self._changed(name)
        return not _only_heartbeat(before, self._agents.get(name))

    def saw_lease(self, body: Body, *, gone: bool = False) -> str:
        """Take note of a register; return its HaVip's uid if the holder changed, else empty."""
        uid = str((body["metadata"].get("labels") or {}).get(LABEL_UID, ""))
        before = self.registers.pop(uid, None)
        if not gone:
            self.registers[uid] = register_facts(body)
        after = self.registers.get(uid)
        same = (before and (before.holder, before.epoch)) == (after and (after.holder, after.epoch))
        return "" if same else uid

    def _changed(self, name: str) -> bool:
        before = self._facts.pop(name, None)
        node = self._nodes.get(name)
        if node is not None:
            self._facts[name] = node_facts(node, self._agents.get(name))
        return before != self._facts.get(name)


def _only_heartbeat(before: HaVipNodeStatus | None, after: HaVipNodeStatus | None) -> bool:
    if before is None or after is None or not before.heartbeat_at or not after.heartbeat_at:
        return before == after
    if (after.heartbeat_at - before.heartbeat_at).total_seconds() > 60:
        return False
    return before.model_copy(update={"heartbeat_at": after.heartbeat_at}) == after
