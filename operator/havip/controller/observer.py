"""Puts together what one reconcile of one HaVip looks at, and remembers since when things are so.

What is kept here only tells how long something has been the case; it may be lost at any moment,
and then takes that long again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from havip.api.conditions import Reason
from havip.api.errors import HaVipError, NotFound, UserError
from havip.api.havip import AdoptedState, HaVip, MemberState, MemberType
from havip.api.havipclass import HaVipClass
from havip.cloud.port import HaVipFacts
from havip.controller.accounts import Account, Accounts
from havip.controller.clock import Clock
from havip.controller.cloudview import (
    LOST_SECONDS,
    SURE_LISTINGS,
    CloudView,
    EipView,
    NetworkInterfaceView,
    RouteView,
    known_id_of,
    view,
)
from havip.controller.listings import Listed
from havip.controller.needs import (
    EIPS,
    HA_VIPS,
    INSTANCES,
    Listing,
    Needs,
    network_interfaces,
    routes,
)
from havip.controller.observe import NodeFacts, Observation
from havip.controller.plan.placement import INSTANCES as INSTANCES_SUBJECT
from havip.controller.plan.steps import (
    EIP,
    HA_VIP,
    CreateRoute,
    DeleteRoute,
    ReleaseEip,
    Step,
    rests_on,
    touches,
)
from havip.controller.poller import Pace, Snapshot
from havip.controller.setbacks import Setbacks
from havip.controller.world import World

T = TypeVar("T")

LEAVING_SECONDS = 10.0
"""How long a leaving holder may take to hand the address over."""
CLOUD_FOLLOWS_SECONDS = 30.0
"""How long after a change of holder the cloud is watched closely for following it."""
ROUTE_LEFT = "DependencyViolation.HaVipRefer"
"""Beginning of the code of a deletion that a route stands in the way of."""


@dataclass(slots=True)
class _Ownership:
    """A holder and its epoch, since when they are seen, and when the cloud followed."""

    of: tuple[str, int] | None = None
    since: float = 0.0
    begun_in_sight: bool = False
    followed_at: datetime | None = None


@dataclass
class Observer:
    """Looks for one HaVip. All moments are on the monotonic clock, in seconds."""

    uid: str
    world: World
    accounts: Accounts
    cluster_id: str
    pace: Pace
    setbacks: Setbacks
    clock: Clock
    account: Account | None = None
    """Where the HaVip lives, as of the last look."""
    _basis: tuple[object, ...] = ()
    _changed_at: dict[Listing[Any], float] = field(default_factory=dict)
    _seen_at: dict[Listing[Any], float] = field(default_factory=dict)
    """When the listings began that the last look saw; others may have come in since."""
    _missing_since: dict[str, float] = field(default_factory=dict)
    """When the listings began to lack what is on record, by its id."""
    _given_back: str = ""
    """The EIP that we released last: nobody is surprised that it is missing."""
    _deleting: bool = False
    _adopting: bool = False
    _leaving: dict[str, float] = field(default_factory=dict)
    _ownership: _Ownership | None = None
    _register: tuple[str, float] = ("", 0.0)
    _found: tuple[str, AdoptedState] | None = None
    _all_tables: frozenset[str] = frozenset()

    async def look(self, havip: HaVip) -> Observation:
        """Take a picture of everything."""
        now = self.clock.monotonic()
        klass = self.world.classes.get(havip.spec.class_name)
        deleting = havip.metadata.deletion_timestamp is not None
        trouble: HaVipError | None = None
        account: Account | None = None
        if klass is None:
            trouble = NotFound(
                f"There is no HaVipClass {havip.spec.class_name}: create it.",
                reason=Reason.CLASS_NOT_FOUND,
            )
        else:
            try:
                account = await self.accounts.of(klass, self.uid)
                if not deleting:
                    await account.check_place(klass)
            except HaVipError as error:
                trouble = error
        if deleting and not self._deleting:
            # The order of a deletion depends on who is the master now.
            self._deleting, self._changed_at[HA_VIPS] = True, now
        if havip.spec.adopt and havip.status.adopted is None and not self._adopting:
            # Somebody else may have taken it, or changed it, since it was listed last.
            self._adopting, self._changed_at[HA_VIPS] = True, now
        self._enter(account, havip, klass)
        seen = Observation(
            now=self.clock.now(),
            cluster_id=self.cluster_id,
            havip=havip,
            klass=klass,
            trouble=trouble,
            register=self.world.registers.get(self.uid),
            register_still=self._still(now),
            still_enough=max(self.pace.tie, _unmembered_seconds(havip) * 1.5),
            silent_after=timedelta(seconds=self.pace.silent),
            waited_for=frozenset(
                name for name, since in self._leaving.items() if now - since >= LEAVING_SECONDS
            ),
        )
        self._remember_leaving(havip, now)
        if account is not None and klass is not None:
            seen = await self._with_cloud(seen, account, klass)
        else:
            seen = replace(seen, nodes=self.world.nodes)
        seen = replace(
            seen,
            setbacks={**self._listing_errors(seen), **self.setbacks.told()},
            resting=self.setbacks.resting(now),
        )
        return replace(seen, cloud_moved_at=self._follow(seen, now))

    # -- when things changed

    def changed(self, step: Step) -> None:
        """Take note that a step was asked for: what was listed before is of no use."""
        now = self.clock.monotonic()
        if isinstance(step, ReleaseEip):
            self._given_back = step.allocation_id
        for listing in touches(step):
            self._changed_at[listing] = now
            self.want(listing, now)

    def fresh(self, step: Step) -> bool:
        """Tell whether what the step was planned from was listed after our last change."""
        return all(self._is_fresh(each) for each in rests_on(step))

    def has_turn(self, step: CreateRoute | DeleteRoute) -> bool:
        """Tell whether nobody else has changed the route table since the last look."""
        table = step.route_table_id
        seen_at = self._seen_at.get(routes(table), float("-inf"))
        return self.account is not None and self.account.listings.turns.free(table, seen_at)

    def all_fresh(self) -> bool:
        """Tell whether every listing that was ever changed was listed after that."""
        return all(self._is_fresh(each) for each in self._changed_at)

    def want(self, listing: Listing[Any], after: float | None = None) -> None:
        """Have a listing made that begins after a moment, or after the last of its kind."""
        listed = self._listed(listing)
        if listed is not None:
            listed.want(self._started(listed) if after is None else after)

    def want_fresh(self) -> None:
        """Have all that is older than our last change listed anew."""
        for listing, at in self._changed_at.items():
            if not self._is_fresh(listing):
                self.want(listing, at)

    def _is_fresh(self, listing: Listing[Any]) -> bool:
        """Tell whether the last look saw what we changed, if that is needed at all any more."""
        changed_at = self._changed_at.get(listing, float("-inf"))
        return self._seen_at.get(listing, float("inf")) >= changed_at

    def _listed(self, listing: Listing[T]) -> Listed[T] | None:
        return self.account.listings.of(self.uid, listing) if self.account else None

    @staticmethod
    def _started(listed: Listed[Any]) -> float:
        return listed.latest.started if listed.latest else float("-inf")

    def _enter(self, account: Account | None, havip: HaVip, klass: HaVipClass | None) -> None:
        """Try again at once when the object, its class or its credentials changed."""
        annotations = tuple(sorted(havip.metadata.annotations.items()))
        deleting = havip.metadata.deletion_timestamp is not None
        self.account = account
        renewals = account.renewals if account else 0
        basis = (havip.metadata.generation, annotations, klass and klass.spec, account, renewals)
        if (*basis, deleting) != self._basis:
            self._basis = (*basis, deleting)
            self.setbacks.reset()

    # -- the cloud

    async def _with_cloud(
        self, seen: Observation, account: Account, klass: HaVipClass
    ) -> Observation:
        listings = account.listings
        ha_vips = listings.of(self.uid, HA_VIPS)
        ha_vips_at = self._started(ha_vips)
        listed = ha_vips.latest.items if ha_vips.latest else {}
        cloud = self._view(seen.havip, ha_vips, klass.spec.v_switch_id)
        mine = cloud.mine if cloud else None
        await self._find_tables(seen, account, mine)
        needs = self._needs(seen, klass, mine)
        listings.needs(self.uid, needs)
        self._seen_at = {
            each: self._started(listings.of(self.uid, each)) for each in needs.listings
        } | {HA_VIPS: ha_vips_at}
        instances = listings.of(self.uid, INSTANCES).latest
        return replace(
            seen,
            cloud=cloud,
            stale=frozenset(each for each in self._changed_at if not self._is_fresh(each)),
            trouble=ha_vips.error or seen.trouble,
            listed=listed,
            eips=self._eips(seen.havip.status.last_allocated_eip),
            routes={table: found for table in needs.route_tables if (found := self._routes(table))},
            network_interfaces=self._network_interfaces(needs),
            instances=instances.items if instances else None,
            nodes=self._nodes(mine),
            found=await self._find(seen.havip, account, mine),
        )

    def _needs(self, seen: Observation, klass: HaVipClass, mine: HaVipFacts | None) -> Needs:
        havip = seen.havip
        spec, status = havip.spec, havip.status
        eips = {status.eip.allocation_id} if status.eip and status.eip.allocation_id else set()
        if status.eip and status.eip.former:
            eips.add(status.eip.former)
        if spec.eip and spec.eip.allocation_id:
            eips.add(spec.eip.allocation_id)
        foreign = mine.associated_eip_addresses if mine and seen.deleting else frozenset()
        tables = {each.route_table_id for each in spec.routes}
        tables |= {each.route_table_id for each in status.routes}
        if status.adopted and seen.deleting:
            tables |= {each.split(" ")[0] for each in status.adopted.routes}
        by_card = spec.members.type is MemberType.NETWORK_INTERFACE
        members = {
            each.instance_id for each in status.members if each.state is MemberState.ASSOCIATED
        }
        unknown = {each.instance_id for each in self.world.nodes if not each.v_switch_id}
        return Needs(
            eips=frozenset(eips),
            eip_addresses=frozenset(foreign),
            allocates=bool((spec.eip and spec.eip.allocate) or status.eip),
            route_tables=frozenset(tables) | self._all_tables,
            v_switches=frozenset({klass.spec.v_switch_id} if by_card else ()),
            instances=frozenset(members | unknown) - {""},
        )

    def _view(self, havip: HaVip, listed: Listed[HaVipFacts], v_switch_id: str) -> CloudView | None:
        if listed.latest is None:
            return None
        known_id = known_id_of(havip)
        since = float("-inf") if known_id else self._changed_at.get(HA_VIPS, float("-inf"))
        found = view(
            havip,
            self.cluster_id,
            v_switch_id,
            listed.latest.items,
            listings=listed.unseen(known_id, since),
        )
        early = self._missing_early(listed.latest, known_id)
        changed_at = self._changed_at.get(HA_VIPS, float("-inf"))
        return replace(found, early=early, listings=listed.unseen("", changed_at))

    def _missing_early(self, latest: Snapshot[Any], key: str) -> bool:
        """Tell whether a thing on record is missing from the listings, but not for long."""
        if not key or key == self._given_back or key in latest.items:
            self._missing_since.pop(key, None)
            return False
        since = self._missing_since.setdefault(key, latest.started)
        return latest.started - since < LOST_SECONDS

    def _sight(self, listing: Listing[T]) -> tuple[Mapping[str, T], int] | None:
        """Return what the last listings since our change have, and how many these are.

        The newest counts, but what it alone lacks may only be late: that takes two in a row.
        """
        listed = self._listed(listing)
        if listed is None or listed.latest is None:
            return None
        since = self._changed_at.get(listing, float("-inf"))
        recent = listed.recent(since, SURE_LISTINGS)
        items: dict[str, T] = {}
        for each in recent or (listed.latest,):
            items |= each.items
        return items, len(recent)

    def _error(self, listing: Listing[Any]) -> HaVipError | None:
        listed = self._listed(listing)
        return listed.error if listed else None

    def _eips(self, last_allocated: str | None) -> EipView | None:
        listed, sight = self._listed(EIPS), self._sight(EIPS)
        if sight is None or listed is None or listed.latest is None or listed.error is not None:
            return None
        return EipView(*sight, self._missing_early(listed.latest, last_allocated or ""))

    def _routes(self, table: str) -> RouteView | None:
        error, listed = self._error(routes(table)), self._listed(routes(table))
        if isinstance(error, UserError):
            return RouteView(error=error)
        sight = self._sight(routes(table))
        if sight is None or error is not None or listed is None or self.account is None:
            return None
        entries, listings = sight
        free = self.account.listings.turns.free(table, self._started(listed))
        return RouteView(tuple(entries.values()), listings, free=free)

    def _network_interfaces(self, needs: Needs) -> NetworkInterfaceView | None:
        for v_switch_id in needs.v_switches:
            if sight := self._sight(network_interfaces(v_switch_id)):
                return NetworkInterfaceView(tuple(sight[0].values()))
        return None

    def _listing_errors(self, seen: Observation) -> dict[str, HaVipError]:
        """Errors of listings that only a part depends on."""
        found: dict[str, HaVipError] = {}
        subjects: dict[Listing[Any], str] = {EIPS: EIP, INSTANCES: INSTANCES_SUBJECT}
        if seen.klass is not None and seen.network_interfaces is None:
            # Without them nobody can be a member.
            subjects[network_interfaces(seen.klass.spec.v_switch_id)] = HA_VIP
        for listing, subject in subjects.items():
            listed = self._listed(listing)
            if listed is not None and listed.error is not None:
                found[subject] = listed.error
        return found

    async def _find_tables(
        self, seen: Observation, account: Account, mine: HaVipFacts | None
    ) -> None:
        """Look for the route that stands in the way of a deletion, in all tables of the VPC."""
        error = self.setbacks.told().get(HA_VIP)
        hidden = error is not None and error.code.startswith(ROUTE_LEFT)
        if seen.deleting and mine is not None and hidden and not self._all_tables:
            self._all_tables = frozenset(await account.cloud.describe_route_tables(mine.vpc_id))

    async def _find(
        self, havip: HaVip, account: Account, mine: HaVipFacts | None
    ) -> AdoptedState | None:
        """Look at what a HaVip has that is about to be adopted; once, before it is changed."""
        if havip.spec.adopt is None or havip.status.adopted is not None or mine is None:
            return None
        if not self._is_fresh(HA_VIPS):
            return None
        if self._found is None or self._found[0] != mine.ha_vip_id:
            leading: list[str] = []
            for table in await account.cloud.describe_route_tables(mine.vpc_id):
                leading += [
                    f"{table} {each.destination}"
                    for each in await account.cloud.describe_routes(table)
                    if each.next_hop_id == mine.ha_vip_id
                ]
            self._found = (mine.ha_vip_id, _adopted(mine, leading))
        return self._found[1]

    # -- nodes and the register

    def _nodes(self, mine: HaVipFacts | None) -> tuple[NodeFacts, ...]:
        """Add the vSwitch of nodes without an agent, as the cloud knows it.

        Until it was asked, such a node is passed over rather than refused.
        """
        listed = self._listed(INSTANCES)
        latest = listed.latest if listed else None
        known = latest.items if latest else {}
        present = mine.associated_instances if mine else frozenset()
        asked = latest is not None or (listed is not None and listed.error is not None)
        return tuple(
            replace(each, v_switch_id=known[each.instance_id].v_switch_id)
            if not each.v_switch_id and each.instance_id in known
            else each
            for each in self.world.nodes
            if each.v_switch_id or not each.instance_id or asked or each.instance_id in present
        )

    def _remember_leaving(self, havip: HaVip, now: float) -> None:
        names = [each.node for each in havip.status.members if each.state is MemberState.LEAVING]
        self._leaving = {name: self._leaving.get(name, now) for name in names}

    def _still(self, now: float) -> float:
        register = self.world.registers.get(self.uid)
        version = register.resource_version if register else ""
        if version != self._register[0]:
            self._register = (version, now)
        return now - self._register[1]

    def _follow(self, seen: Observation, now: float) -> datetime | None:
        """Watch the cloud for a while after a change of holder; tell when it followed."""
        register = seen.register
        of = (register.holder, register.epoch) if register and register.holder else None
        if self._ownership is None or of != self._ownership.of:
            # Of an ownership from before our start nobody knows when the cloud followed.
            self._ownership = _Ownership(of, now, self._ownership is not None)
        ownership, mine = self._ownership, seen.mine
        if of is None or mine is None:
            return None
        if ownership.followed_at is None:
            listed = self._listed(HA_VIPS)
            listed_at = self._started(listed) if listed else float("-inf")
            follows = mine.master_instance_id == seen.member_id_of(of[0])
            if listed_at >= ownership.since and follows:
                ownership.followed_at = seen.now
            elif now - ownership.since < CLOUD_FOLLOWS_SECONDS:
                self.want(HA_VIPS, max(listed_at, ownership.since))
        return ownership.followed_at if ownership.begun_in_sight else None


def _unmembered_seconds(havip: HaVip) -> float:
    timings = havip.spec.election.timings
    return timings.unmembered_millis / 1000 if timings else 0.0


def _adopted(mine: HaVipFacts, leading: list[str]) -> AdoptedState:
    return AdoptedState(
        name=mine.name,
        description=mine.description,
        resource_group_id=mine.resource_group_id,
        tags=dict(mine.tags),
        members=tuple(sorted(mine.associated_instances)),
        eip_addresses=tuple(sorted(mine.associated_eip_addresses)),
        routes=tuple(sorted(leading)),
    )
