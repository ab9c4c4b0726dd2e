"""From a HaVipClass to the account and region behind it, by the credentials that it names.

Classes that lead to the same account, region and endpoints share one budget of calls and one set
of listings; whose account a key is, STS tells. Each changes things with its own credentials.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from havip.api.conditions import Reason
from havip.api.errors import HaVipError, InvalidSpec, NotFound
from havip.api.havipclass import EcsRamRole, HaVipClass, Oidc
from havip.cloud.alibaba import Endpoints
from havip.cloud.alibaba.sources import source_of
from havip.cloud.credentials import CredentialSource, Held
from havip.cloud.limiter import Buckets
from havip.cloud.port import Cloud, Identity, VSwitchFacts
from havip.controller.identities import Identities
from havip.controller.kube import Kube
from havip.controller.listings import Listings
from havip.controller.poller import REFUSED_SECONDS, Pace
from havip.controller.secrets import FRESH_SECONDS, SecretName, Secrets

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a class leads, and how the controller shows there who it is."""

    region: str
    endpoints: Endpoints
    way: SecretName | EcsRamRole | Oidc | None
    """None takes what the pod or its instance has."""


Connect = Callable[[Place, CredentialSource, Buckets], Cloud]


@dataclass(eq=False, slots=True)
class Account:
    """One account in one region, with the credentials of a class.

    A key that is replaced by another of the same account leaves all of this as it is. The object
    is another one when the class leads elsewhere.
    """

    place: Place
    home: tuple[object, ...]
    """What makes two classes share the listings."""
    source: Held
    cloud: Cloud
    """For changes, and for look-ups of one thing."""
    listings: Listings
    """For all else: say what you need, and look at it.

    ::

        account.listings.needs(uid, Needs(eips=frozenset({"eip-1"})))
        eips = account.listings.of(uid, EIPS)
        if eips.latest is not None: ... eips.latest.items.get("eip-1") ...
    """
    identity: Identity | None
    """None where STS does not say."""
    pace: Pace
    clock: Callable[[], float]
    renewals: int = 0
    """How often the credentials were replaced by others."""
    users: set[str] = field(default_factory=set)
    """Uids of the objects that live here with these credentials."""
    _v_switches: dict[str, VSwitchFacts | HaVipError | None] = field(default_factory=dict)
    _ask_again_at: dict[str, float] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def renewed(self, identity: Identity | None) -> None:
        """Take note that the credentials were replaced: what they were refused is asked again."""
        self.identity = identity
        self.renewals += 1
        self._ask_again_at.clear()
        self.listings.renewed(self.cloud)

    async def check_place(self, klass: HaVipClass) -> VSwitchFacts:
        """Return the vSwitch of a class; the cloud is asked once, for it never changes its VPC.

        Raises ``NotFound`` (reason VSwitchNotFound) without it and ``InvalidSpec`` when it is in
        another VPC than the class says.
        """
        vpc_id, v_switch_id = klass.spec.vpc_id, klass.spec.v_switch_id
        found = await self._v_switch(v_switch_id)
        if found is None:
            raise NotFound(
                f"There is no vSwitch {v_switch_id} in {klass.spec.region}: correct"
                f" spec.vSwitchId of the HaVipClass {klass.metadata.name}.",
                reason=Reason.V_SWITCH_NOT_FOUND,
            )
        if vpc_id is not None and found.vpc_id != vpc_id:
            raise InvalidSpec(
                f"The vSwitch {v_switch_id} is in {found.vpc_id}, not in {vpc_id}:"
                f" correct spec.vpcId of the HaVipClass {klass.metadata.name}."
            )
        return found

    async def _v_switch(self, v_switch_id: str) -> VSwitchFacts | None:
        async with self._asking:
            known = self._v_switches.get(v_switch_id)
            if isinstance(known, VSwitchFacts):
                return known
            if self.clock() >= self._ask_again_at.get(v_switch_id, 0.0):
                try:
                    known = await self.cloud.describe_v_switch(v_switch_id)
                except HaVipError as error:
                    known = error
                self._v_switches[v_switch_id] = known
                pause = min(REFUSED_SECONDS, self.pace.retry)
                self._ask_again_at[v_switch_id] = self.clock() + pause
        if isinstance(known, HaVipError):
            raise known.with_traceback(None)
        return known


class Accounts:
    """The accounts in use."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        connect: Connect,
        pace: Pace,
        wake: Callable[[Collection[str]], None],
        *,
        cluster_id: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._namespace = namespace
        self._cluster_id = cluster_id
        self._connect = connect
        self._pace = pace
        self._wake = wake
        self._clock = clock
        self._secrets = Secrets(kube, min(FRESH_SECONDS, pace.retry), clock=clock)
        self._identities = Identities(pace.retry, clock=clock)
        self._accounts: dict[Place, Account] = {}
        self._listings: dict[tuple[object, ...], Listings] = {}
        self._homes: dict[str, Account] = {}
        self._sources: dict[Place, CredentialSource] = {}

    async def of(self, klass: HaVipClass, uid: str) -> Account:
        """Return the account of a class and note that this object uses it.

        Raises ``UserError`` (reason CredentialsMissing) where the class names a Secret that has
        no key. Whether the cloud accepts the credentials is seen by the listings.
        """
        place = _place(klass, self._namespace)
        source: CredentialSource
        way = place.way
        if isinstance(way, SecretName):
            source = await self._secrets.read(way)
        else:
            source = self._source(place, way)
        identity = await self._identities.of(
            place, source, lambda: self._connect(place, source, Buckets())
        )
        account = self._account(place, source, identity)
        before = self._homes.get(uid)
        if before is not account:
            if before is not None:
                self._leave(before, uid)
            self._join(account, uid)
        return account

    def forget(self, uid: str) -> None:
        """Take note that an object is gone."""
        account = self._homes.get(uid)
        if account is not None:
            self._leave(account, uid)

    def _source(self, place: Place, way: EcsRamRole | Oidc | None) -> CredentialSource:
        if place not in self._sources:
            sts = place.endpoints.sts or f"sts.{place.region}.aliyuncs.com"
            self._sources[place] = source_of(way, sts, place.endpoints.protocol)
        return self._sources[place]

    def _account(
        self, place: Place, source: CredentialSource, identity: Identity | None
    ) -> Account:
        """Return the account at a place, with these credentials in it."""
        home = (place.region, place.endpoints, identity.account_id if identity else place)
        account = self._accounts.get(place)
        if account is None or account.home != home:
            before, account = account, self._open(place, home, source, identity)
            if before is not None:
                left = tuple(before.users)
                for uid in left:
                    self._leave(before, uid)
                self._wake(left)
        elif account.source.replace(source):
            log.info("The key of %s is another one now", place.way)
            account.renewed(identity)
        return account

    def _open(
        self,
        place: Place,
        home: tuple[object, ...],
        source: CredentialSource,
        identity: Identity | None,
    ) -> Account:
        listings = self._listings.get(home)
        if listings is None:
            listings = Listings(self._cluster_id, self._pace, self._wake, clock=self._clock)
            self._listings[home] = listings
        held = Held(source)
        cloud = self._connect(place, held, listings.buckets)
        account = Account(place, home, held, cloud, listings, identity, self._pace, self._clock)
        self._accounts[place] = account
        return account

    def _join(self, account: Account, uid: str) -> None:
        self._homes[uid] = account
        account.users.add(uid)
        account.listings.join(uid, account.cloud)

    def _leave(self, account: Account, uid: str) -> None:
        del self._homes[uid]
        account.users.discard(uid)
        account.listings.leave(uid)
        if not account.users and self._accounts.get(account.place) is account:
            del self._accounts[account.place]
            self._sources.pop(account.place, None)
            self._identities.forget(account.place)
        if not account.listings.in_use:
            self._listings.pop(account.home, None)


def _place(klass: HaVipClass, namespace: str) -> Place:
    endpoints, given = klass.spec.endpoints, klass.spec.credentials
    way: SecretName | EcsRamRole | Oidc | None = None
    if given is not None:
        way = given.ecs_ram_role or given.oidc
        if given.secret_ref is not None:
            way = SecretName(given.secret_ref.namespace or namespace, given.secret_ref.name)
    return Place(
        region=klass.spec.region,
        endpoints=Endpoints(
            vpc=endpoints.vpc or "",
            ecs=endpoints.ecs or "",
            sts=endpoints.sts or "",
            protocol=str(endpoints.protocol),
        )
        if endpoints
        else Endpoints(),
        way=way,
    )
