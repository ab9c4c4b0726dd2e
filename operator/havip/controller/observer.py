"""Puts together what one reconcile of one HaVip looks at."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from havip.api.conditions import Reason
from havip.api.errors import HaVipError, NotFound
from havip.api.havip import AdoptedState, HaVip
from havip.api.havipclass import HaVipClass
from havip.cloud.port import HaVipFacts
from havip.controller.accounts import Account, Accounts
from havip.controller.clock import Clock
from havip.controller.cloudreader import CloudReader
from havip.controller.freshness import Freshness
from havip.controller.needs import HA_VIPS, INSTANCES, needs_of
from havip.controller.observe import Observation
from havip.controller.plan.steps import HA_VIP
from havip.controller.poller import Pace
from havip.controller.routesearch import RouteSearch
from havip.controller.setbacks import Setbacks
from havip.controller.succession import Succession
from havip.controller.world import World


@dataclass
class Observer:
    """Looks for one HaVip."""

    uid: str
    world: World
    accounts: Accounts
    cluster_id: str
    pace: Pace
    setbacks: Setbacks
    freshness: Freshness
    clock: Clock
    account: Account | None = None
    """Where the HaVip lives, as of the last look."""
    _reader: CloudReader = field(init=False)
    _search: RouteSearch = field(default_factory=RouteSearch)
    _succession: Succession = field(default_factory=Succession)
    _deleting: bool = False
    _adopting: bool = False

    def __post_init__(self) -> None:
        self._reader = CloudReader(self.cluster_id, self.freshness)

    async def look(self, havip: HaVip) -> Observation:
        """Take a picture of everything."""
        now = self.clock.monotonic()
        klass = self.world.classes.get(havip.spec.class_name)
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
                if havip.metadata.deletion_timestamp is None:
                    await account.check_place(klass)
            except HaVipError as error:
                trouble = error
        register = self.world.registers.get(self.uid)
        seen = Observation(
            now=self.clock.now(),
            cluster_id=self.cluster_id,
            havip=havip,
            klass=klass,
            trouble=trouble,
            nodes=self.world.nodes,
            register=register,
            register_still=self._succession.register_still(register, now),
            still_enough=max(self.pace.tie, _unmembered_seconds(havip) * 1.5),
            silent_after=timedelta(seconds=self.pace.silent),
            waited_for=self._succession.waited_for(havip, now),
        )
        self._outdate(seen, now)
        self._enter(seen, account)
        if account is not None and klass is not None:
            seen = await self._with_cloud(seen, account, klass)
        seen = replace(
            seen,
            setbacks={**seen.setbacks, **self.setbacks.told()},
            resting=self.setbacks.resting(now),
        )
        return replace(seen, cloud_moved_at=self._follow(seen, now))

    def _outdate(self, seen: Observation, now: float) -> None:
        """Have the HaVips listed anew when a deletion or an adoption begins."""
        if seen.deleting and not self._deleting:
            # The order of a deletion depends on who is the master now.
            self._deleting = True
            self.freshness.outdate(HA_VIPS, now)
        if _to_be_adopted(seen.havip) and not self._adopting:
            # Somebody else may have taken it, or changed it, since it was listed last.
            self._adopting = True
            self.freshness.outdate(HA_VIPS, now)

    def _enter(self, seen: Observation, account: Account | None) -> None:
        """Live where the class leads. What failed rests on it, its credentials and the object."""
        self.account = account
        self.freshness.listings = account.listings if account else None
        self.setbacks.rest_on(
            seen.havip.metadata.generation,
            seen.havip.metadata.annotations,
            seen.deleting,
            seen.klass and seen.klass.spec,
            account,
            account.renewals if account else 0,
        )

    async def _with_cloud(
        self, seen: Observation, account: Account, klass: HaVipClass
    ) -> Observation:
        havip, reader, v_switch_id = seen.havip, self._reader, klass.spec.v_switch_id
        ha_vips = self.freshness.listed(HA_VIPS)
        ha_vips_at = ha_vips.started
        listed = ha_vips.latest.items if ha_vips.latest else {}
        cloud = reader.ha_vip(havip, v_switch_id)
        mine = cloud.mine if cloud else None
        if seen.deleting and mine is not None:
            await self._search.widen(self.setbacks.told().get(HA_VIP), account.cloud, mine.vpc_id)
        nodes = self.world.nodes
        needs = needs_of(
            havip,
            mine,
            v_switch_id,
            unplaced=frozenset(each.instance_id for each in nodes if not each.v_switch_id),
            tables=self._search.tables,
        )
        account.listings.needs(self.uid, needs)
        begun = {each: self.freshness.listed(each).started for each in needs.listings}
        self.freshness.saw(begun | {HA_VIPS: ha_vips_at})
        instances = self.freshness.listed(INSTANCES).latest
        cards = reader.network_interfaces(v_switch_id)
        return replace(
            seen,
            cloud=cloud,
            stale=self.freshness.stale(),
            trouble=ha_vips.error or seen.trouble,
            setbacks=reader.errors(v_switch_id, cards),
            listed=listed,
            eips=reader.eips(havip.status.last_allocated_eip),
            routes={
                table: found for table in needs.route_tables if (found := reader.routes(table))
            },
            network_interfaces=cards,
            instances=instances.items if instances else None,
            nodes=reader.nodes(nodes, mine),
            found=await self._find(havip, account, mine),
        )

    async def _find(
        self, havip: HaVip, account: Account, mine: HaVipFacts | None
    ) -> AdoptedState | None:
        """Look at what a HaVip has that is about to be adopted, if it was listed since."""
        if mine is None or not _to_be_adopted(havip) or not self.freshness.is_fresh(HA_VIPS):
            return None
        return await self._search.before_adoption(account.cloud, mine)

    def _follow(self, seen: Observation, now: float) -> datetime | None:
        """Watch the cloud for a while after a change of holder; tell when it followed."""
        listed_at = self.freshness.listed(HA_VIPS).started
        moved_at = self._succession.cloud_moved_at(seen, listed_at, now)
        since = self._succession.awaited_since(now)
        if since is not None and seen.mine is not None:
            self.freshness.want(HA_VIPS, max(listed_at, since))
        return moved_at


def _to_be_adopted(havip: HaVip) -> bool:
    return havip.spec.adopt is not None and havip.status.adopted is None


def _unmembered_seconds(havip: HaVip) -> float:
    timings = havip.spec.election.timings
    return timings.unmembered_millis / 1000 if timings else 0.0
