"""All HaVips of this node: which there are, and which event belongs to which."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from havip.agent.keeper import Keeper
from havip.agent.kube import Deleted, Kube, Listed, Object
from havip.agent.node import Node
from havip.agent.objects import Assignment, Assignments
from havip.agent.register import LeaseRegister, leases, uid_of
from havip.api import names
from havip.election.events import Received
from havip.election.wire import Addressed

log = logging.getLogger(__name__)

LEAVE_SECONDS: Final = 5.0
"""How long a stopping agent waits for its handovers."""


class Loop:
    """Keeps one `Keeper` per HaVip that this node takes part in."""

    def __init__(self, node: Node, register: Callable[[str], LeaseRegister]) -> None:
        """Get the register of the HaVip with a uid from `register(uid)`."""
        self.keepers: dict[str, Keeper] = {}
        self._node = node
        self._register = register
        self._leases: dict[str, Object] = {}
        self._wanted: Mapping[str, Assignment] = {}
        self._farewells: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def peers(self) -> frozenset[str]:
        """The other nodes that take part in HaVips of this one."""
        known = (set(each.assignment.priorities) for each in self.keepers.values())
        return frozenset[str]().union(*known) - {self._node.name}

    # -- what comes in ----------------------------------------------------------------------------

    def assign(self, assignments: Assignments) -> None:
        """Take part in these HaVips, and in no other."""
        self._wanted = assignments.taken
        for uid, keeper in self.keepers.items():
            if uid in self._wanted:
                if not keeper.leaving:
                    keeper.update(self._wanted[uid])
            elif keeper.leaving and uid in assignments.fenced:
                keeper.leave(hand_over=False)
            elif not keeper.leaving:
                # Where the HaVip still exists the others go on with it; where it is being
                # deleted nobody should. One that the cloud took out by force has nothing to give.
                exists = uid in assignments.existing
                hand_over = exists and uid not in assignments.fenced
                self._leave(uid, keeper, hand_over=hand_over, forget=not exists)
        self._begin()

    def heard(self, sender: str, entry: Addressed) -> None:
        """Hand in a peer's message."""
        keeper = self.keepers.get(entry.uid)
        if keeper is not None:
            keeper.handle(Received(sender, entry.message))

    def saw(self, lease: Object) -> None:
        """Hand in a version of a register."""
        uid = uid_of(lease)
        if uid is None:
            return
        self._leases[uid] = lease
        keeper = self.keepers.get(uid)
        if keeper is not None:
            keeper.saw(lease)

    def look(self) -> None:
        """Links or addresses of the node changed."""
        for keeper in self.keepers.values():
            keeper.look()

    async def follow_leases(self, kube: Kube, namespace: str) -> None:
        """Hand in every version of every register that a watch brings, for ever."""
        async for change in kube.follow(leases(namespace), selector=names.LABEL_UID):
            match change:
                case Listed(objects):
                    for lease in objects:
                        self.saw(lease)
                case Deleted(lease):
                    self._leases.pop(uid_of(lease) or "", None)
                case _:
                    self.saw(change.object)

    # -- coming and going -------------------------------------------------------------------------

    def _begin(self) -> None:
        for uid, assignment in self._wanted.items():
            if uid in self.keepers or self._stopping:
                continue
            keeper = Keeper(self._node, assignment, self._register(uid))
            self.keepers[uid] = keeper
            keeper.start(self._leases.get(uid))
            log.info("%s/%s: taking part", assignment.namespace, assignment.name)

    def _leave(self, uid: str, keeper: Keeper, *, hand_over: bool, forget: bool) -> None:
        keeper.leave(hand_over=hand_over)
        task = asyncio.create_task(self._see_off(uid, keeper, forget=forget))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _see_off(self, uid: str, keeper: Keeper, *, forget: bool) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await keeper.left.wait()
        except TimeoutError:
            log.warning("%s: left without an answer of the register", keeper.assignment.name)
        await keeper.close()
        self.keepers.pop(uid, None)
        if forget:
            self._node.epochs.forget(uid)
        self._node.changed()
        self._begin()  # it may have been assigned anew meanwhile

    async def stop(self) -> None:
        """Hand over all that we hold, wait a while for that, and let go of what is left."""
        self._stopping = True
        for uid, keeper in list(self.keepers.items()):
            if not keeper.leaving:
                self._leave(uid, keeper, hand_over=True, forget=False)
        await asyncio.gather(*self._farewells, return_exceptions=True)
