"""What is listed of one account and region, for whom, and with whose credentials.

The HaVips are always listed. The rest is listed while a HaVip says that it needs it, so that one
without an EIP, routes or network interfaces costs no call for them.

Classes that lead to the same account share its listings, and take turns in asking: credentials
that stopped working are noticed then, while the listing goes on with those of another class. Later
they are tried beside it, so that a class that fails, however slowly, slows no other.
"""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from havip.api.errors import BugError, CredentialsRefused, HaVipError, Unavailable
from havip.api.names import TAG_CLUSTER
from havip.cloud.limiter import Buckets, TokenBucket
from havip.cloud.port import Cloud
from havip.controller.needs import ALL, Kind, Listing, Needs
from havip.controller.poller import REFUSED_SECONDS, Pace, Poller, Snapshot
from havip.controller.turns import Turns

T = TypeVar("T")

INSTANCES_SECONDS = 600.0
"""Between look-ups of instances: an instance keeps its vSwitch."""


class Listed(Generic[T]):
    """A listing as far as one HaVip may rely on it: begun after it said what it needs."""

    def __init__(self, poller: Poller[T] | None, since: float, own: HaVipError | None) -> None:
        self._poller = poller
        self._since = since
        self._own = own

    @property
    def latest(self) -> Snapshot[T] | None:
        """The last complete listing that has all the HaVip needs; None until there is one."""
        latest = self._poller.latest if self._poller else None
        return latest if latest and latest.started > self._since else None

    @property
    def error(self) -> HaVipError | None:
        """Why the last listing failed; None if it did not. ``latest`` stays as it was."""
        error = self._poller.error if self._poller else None
        return (self._own or error) if error else None

    @property
    def started(self) -> float:
        """When ``latest`` began, on the monotonic clock; minus infinity before there is one."""
        return self.latest.started if self.latest else float("-inf")

    def recent(self, since: float, most: int) -> tuple[Snapshot[T], ...]:
        """Return the last listings that the HaVip may rely on. See ``Poller.recent``."""
        return self._poller.recent(max(since, self._since), most) if self._poller else ()

    def unseen(self, key: str, since: float = float("-inf")) -> int:
        """Count the listings in a row, begun after ``since``, that did not have the key.

        Only those that would have had it count. See ``Poller.unseen``.
        """
        return self._poller.unseen(key, max(since, self._since)) if self._poller else 0

    def want(self, after: float) -> None:
        """Ask for a listing that begins after this moment; one that did already will do."""
        if self._poller:
            self._poller.want(after)


@dataclass(slots=True)
class _User:
    cloud: Cloud
    needs: Needs = field(default_factory=Needs)
    since: dict[Listing[Any], float] = field(default_factory=dict)
    """From when on a listing has what this user needs of it."""


class Listings:
    """All listings of one account and region."""

    def __init__(
        self,
        cluster_id: str,
        pace: Pace,
        wake: Callable[[Collection[str]], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster_id = cluster_id
        self._pace = pace
        self._wake = wake
        self._clock = clock
        self._users: dict[str, _User] = {}
        self._pollers: dict[Listing[Any], Poller[Any]] = {}
        self._tasks: dict[Listing[Any], asyncio.Task[None]] = {}
        self._turns: defaultdict[Listing[Any], itertools.count[int]] = defaultdict(itertools.count)
        # Whose credentials failed at what, how, and when they are tried again.
        self._failed: dict[tuple[Cloud, Listing[Any]], tuple[float, HaVipError]] = {}
        self._trials: set[asyncio.Task[None]] = set()
        self.buckets = Buckets(lambda: TokenBucket(clock=clock))
        """Of all that call this account and region: the cloud counts their calls together."""
        self.turns = Turns()
        """Who changes which route table."""

    # -- users

    @property
    def in_use(self) -> bool:
        """Whether anybody lives here."""
        return bool(self._users)

    def join(self, uid: str, cloud: Cloud) -> None:
        """Take note that an object lives here, and which credentials are its own."""
        user = self._users.setdefault(uid, _User(cloud))
        user.cloud = cloud
        self._start_and_stop()

    def leave(self, uid: str) -> None:
        """Take note that an object is gone; what it alone needed is listed no more."""
        if self._users.pop(uid, None) is not None:
            self._start_and_stop()

    def needs(self, uid: str, needs: Needs) -> None:
        """Say what a HaVip needs from now on. Saying the same again costs nothing.

        What is new is listed at once, also where a listing exists already.
        """
        user = self._users.get(uid)
        if user is None or needs == user.needs:
            return  # who was moved to another account is woken to say it there
        now = self._clock()
        for listing in needs.listings:
            if needs.of(listing) - user.needs.of(listing) - self._has(listing):
                user.since[listing] = now
        user.needs = needs
        user.since = {each: at for each, at in user.since.items() if each in needs.listings}
        self._start_and_stop()
        for listing, at in user.since.items():
            if at == now:
                self._pollers[listing].want(now)

    def _has(self, listing: Listing[Any]) -> frozenset[str]:
        """What the last listing has anyway, whoever needed it."""
        poller = self._pollers.get(listing)
        latest = poller.latest if poller and poller.error is None else None
        return frozenset(latest.items) if latest else frozenset()

    def of(self, uid: str, listing: Listing[T]) -> Listed[T]:
        """Return a listing as one HaVip may rely on it; empty for one that it does not need."""
        user = self._users.get(uid)
        if user is None or not user.needs.of(listing):
            return Listed(None, 0.0, None)
        poller = cast("Poller[T]", self._pollers[listing])
        _, failure = self._failed.get((user.cloud, listing), (0.0, None))
        return Listed(poller, user.since.get(listing, float("-inf")), failure)

    # -- credentials

    def failure(self, cloud: Cloud) -> HaVipError | None:
        """Return why something that they need is not listed with these credentials, if so.

        It may be listed all the same, with those of another class.
        """
        failures = (error for (whose, _), (_, error) in self._failed.items() if whose is cloud)
        return next(failures, None)

    def renewed(self, cloud: Cloud) -> None:
        """Take note that these credentials were replaced: what failed with them may work."""
        self._failed = {key: told for key, told in self._failed.items() if key[0] is not cloud}
        for poller in self._pollers.values():
            if poller.error is not None:
                poller.anew()

    # -- listing

    def _start_and_stop(self) -> None:
        wanted = {listing for user in self._users.values() for listing in user.needs.listings}
        for listing in self._pollers.keys() - wanted:
            self._tasks.pop(listing).cancel()
            del self._pollers[listing]
        for listing in wanted - self._pollers.keys():
            poller = self._pollers[listing] = self._poller(listing)
            self._tasks[listing] = asyncio.create_task(poller.run(), name=f"listing {listing}")
        clouds = {user.cloud for user in self._users.values()}
        self._failed = {
            (cloud, listing): told
            for (cloud, listing), told in self._failed.items()
            if cloud in clouds and listing in wanted
        }

    def _poller(self, listing: Listing[Any]) -> Poller[Any]:
        pace = self._pace
        if listing.kind is Kind.INSTANCES:
            pace = replace(pace, drift=max(pace.drift, INSTANCES_SECONDS))
        return Poller(
            str(listing),
            lambda: self._fetch(listing),
            pace,
            lambda: self._wake(self._who_needs(listing)),
            clock=self._clock,
        )

    def _who_needs(self, listing: Listing[Any]) -> tuple[str, ...]:
        return tuple(uid for uid, user in self._users.items() if user.needs.of(listing))

    async def _fetch(self, listing: Listing[Any]) -> Mapping[str, Any]:
        """Ask with the credentials whose turn it is; where they fail, with others."""
        needing = self._in_turn(listing)
        failing = [each for each in needing if (each, listing) in self._failed]
        working = [each for each in needing if each not in failing]
        if working:
            self._try_again(failing, listing)
        failure: HaVipError | None = None
        for cloud in working or failing:
            try:
                return await self._ask(cloud, listing)
            except (CredentialsRefused, Unavailable) as error:
                failure = failure or error
                if not working and isinstance(error, Unavailable):
                    raise  # the cloud is away, and more calls would not bring it back
        for cloud in dict.fromkeys(user.cloud for user in self._users.values()):
            # That a key may not list what its own HaVips do not need is no fault.
            with contextlib.suppress(CredentialsRefused, Unavailable):
                if cloud not in needing:
                    return await self._list(cloud, listing)
        raise failure or BugError(f"Nobody needs the {listing}.")

    def _in_turn(self, listing: Listing[Any]) -> list[Cloud]:
        needing = list(dict.fromkeys(self._users[uid].cloud for uid in self._who_needs(listing)))
        turn = next(self._turns[listing]) % max(1, len(needing))
        return needing[turn:] + needing[:turn]

    def _try_again(self, failing: list[Cloud], listing: Listing[Any]) -> None:
        async def attempt(cloud: Cloud) -> None:
            with contextlib.suppress(HaVipError):
                await self._ask(cloud, listing)
                self._wake(tuple(uid for uid, user in self._users.items() if user.cloud is cloud))

        for cloud in failing:
            due, error = self._failed[cloud, listing]
            if self._clock() >= due:
                self._failed[cloud, listing] = (self._soon(), error)
                trial = asyncio.create_task(attempt(cloud), name=f"trial of {listing}")
                self._trials.add(trial)
                trial.add_done_callback(self._trials.discard)

    async def _ask(self, cloud: Cloud, listing: Listing[Any]) -> Mapping[str, Any]:
        """List, and remember whether it works with these credentials."""
        try:
            items = await self._list(cloud, listing)
        except (CredentialsRefused, Unavailable) as error:
            self._failed[cloud, listing] = (self._soon(), error)
            raise
        self._failed.pop((cloud, listing), None)
        return items

    def _soon(self) -> float:
        return self._clock() + min(REFUSED_SECONDS, self._pace.retry)

    async def _list(self, cloud: Cloud, listing: Listing[Any]) -> Mapping[str, Any]:
        wanted = frozenset[str]().union(*(u.needs.of(listing) for u in self._users.values()))
        match listing.kind:
            case Kind.HA_VIPS:
                return {each.ha_vip_id: each for each in await cloud.describe_ha_vips()}
            case Kind.EIPS:
                addresses = frozenset[str]().union(
                    *(user.needs.eip_addresses for user in self._users.values())
                )
                eips = await cloud.describe_eips(
                    tags={TAG_CLUSTER: self._cluster_id} if wanted & ALL else {},
                    ids=wanted - addresses - ALL,
                    addresses=addresses,
                )
                return {each.allocation_id: each for each in eips}
            case Kind.INSTANCES:
                return {each.instance_id: each for each in await cloud.describe_instances(wanted)}
            case Kind.ROUTES:
                entries = await cloud.describe_routes(listing.where)
                return {each.destination: each for each in entries}
            case Kind.NETWORK_INTERFACES:
                found = await cloud.describe_network_interfaces(listing.where)
                return {each.network_interface_id: each for each in found}
