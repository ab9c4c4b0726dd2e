"""From a HaVipClass to the account and region behind it, with credentials from its Secret.

Classes that lead to the same account and region share one connection, one budget of calls and
one listing. A Secret is read at need, not watched: the controller may then read no other.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from havip.api import names
from havip.api.conditions import Reason
from havip.api.errors import CredentialsRefused, InvalidSpec, NotFound, UserError
from havip.api.havipclass import HaVipClass
from havip.cloud.alibaba import Endpoints
from havip.cloud.credentials import Credentials
from havip.cloud.port import Cloud, InstanceFacts
from havip.controller.kube import Kube
from havip.controller.poller import Pace, Poller

log = logging.getLogger(__name__)

SECRET_FRESH_SECONDS = 10.0
INSTANCE_FRESH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Place:
    """What makes two classes share an account."""

    region: str
    endpoints: Endpoints
    credentials: Credentials | None


Connect = Callable[[Place], Cloud]


@dataclass(eq=False, slots=True)
class Account:
    """One account in one region."""

    place: Place
    cloud: Cloud
    poller: Poller
    task: "asyncio.Task[None]"
    users: set[str] = field(default_factory=set)
    """Uids of the HaVips that live here."""
    _instances: dict[str, tuple[float, InstanceFacts | None]] = field(default_factory=dict)
    _vpcs: dict[str, str] = field(default_factory=dict)

    async def check_place(self, klass: HaVipClass) -> None:
        """Raise ``InvalidSpec`` or ``NotFound`` unless the class's vSwitch is in its VPC.

        The cloud is asked once: a vSwitch never changes its VPC.
        """
        vpc_id, v_switch_id = klass.spec.vpc_id, klass.spec.v_switch_id
        if vpc_id is None:
            return
        if v_switch_id not in self._vpcs:
            found = await self.cloud.describe_v_switch(v_switch_id)
            if found is None:
                raise NotFound(
                    f"There is no vSwitch {v_switch_id} in {klass.spec.region}: correct"
                    f" spec.vSwitchId of the HaVipClass {klass.metadata.name}.",
                    reason=Reason.V_SWITCH_NOT_FOUND,
                )
            self._vpcs[v_switch_id] = found.vpc_id
        if self._vpcs[v_switch_id] != vpc_id:
            raise InvalidSpec(
                f"The vSwitch {v_switch_id} is in {self._vpcs[v_switch_id]}, not in {vpc_id}:"
                f" correct spec.vpcId of the HaVipClass {klass.metadata.name}."
            )

    async def instances(self, ids: Collection[str]) -> dict[str, InstanceFacts]:
        """Look up instances, from memory where that is fresh: an instance keeps its vSwitch."""
        now = time.monotonic()
        unknown = [
            each
            for each in ids
            if each not in self._instances
            or now - self._instances[each][0] > INSTANCE_FRESH_SECONDS
        ]
        if unknown:
            found = {
                each.instance_id: each for each in await self.cloud.describe_instances(unknown)
            }
            self._instances |= {each: (now, found.get(each)) for each in unknown}
        known = ((each, self._instances[each][1]) for each in ids)
        return {each: facts for each, facts in known if facts is not None}


class Accounts:
    """The accounts in use."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        connect: Connect,
        pace: Pace,
        wake: Callable[[Collection[str]], None],
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._connect = connect
        self._pace = pace
        self._wake = wake
        self._accounts: dict[Place, Account] = {}
        self._secrets: dict[tuple[str, str], tuple[float, Credentials]] = {}
        # All objects of a class ask at once after a start; one of them reads the Secret.
        self._lock = asyncio.Lock()

    async def of(self, klass: HaVipClass, uid: str) -> Account:
        """Return the account of a class and note that this HaVip uses it.

        Raises ``NotFound`` (reason CredentialsMissing) or ``CredentialsRefused``.
        """
        async with self._lock:
            credentials = await self._credentials(klass)
        endpoints = klass.spec.endpoints
        place = Place(
            region=klass.spec.region,
            endpoints=Endpoints(
                vpc=endpoints.vpc or "", ecs=endpoints.ecs or "", protocol=str(endpoints.protocol)
            )
            if endpoints
            else Endpoints(),
            credentials=credentials,
        )
        account = self._accounts.get(place)
        if account is None:
            account = self._open(place)
        account.users.add(uid)
        for other in [each for each in self._accounts.values() if each is not account]:
            self._leave(other, uid)
        return account

    def forget(self, uid: str) -> None:
        """Take note that a HaVip is gone."""
        for account in list(self._accounts.values()):
            self._leave(account, uid)

    def _open(self, place: Place) -> Account:
        users: set[str] = set()
        try:
            cloud = self._connect(place)
        except Exception as error:
            # Building the SDK's client reads credentials of the pod, which may be incomplete.
            raise CredentialsRefused(
                f"The controller has no credentials of its own: {error}. Name a Secret in"
                " spec.credentials of the HaVipClass."
            ) from error
        poller = Poller(cloud, self._pace, lambda: self._wake(tuple(users)))
        task = asyncio.create_task(poller.run(), name=f"poller {place.region}")
        account = Account(place, cloud, poller, task, users)
        self._accounts[place] = account
        return account

    def _leave(self, account: Account, uid: str) -> None:
        account.users.discard(uid)
        if not account.users:
            account.task.cancel()
            self._accounts.pop(account.place, None)

    async def _credentials(self, klass: HaVipClass) -> Credentials | None:
        if klass.spec.credentials is None:
            return None
        ref = klass.spec.credentials.secret_ref
        key = (ref.namespace or self._namespace, ref.name)
        known = self._secrets.get(key)
        fresh = min(SECRET_FRESH_SECONDS, self._pace.retry)
        if known and time.monotonic() - known[0] < fresh:
            return known[1]
        credentials = await self._read_secret(*key)
        self._secrets[key] = (time.monotonic(), credentials)
        return credentials

    async def _read_secret(self, namespace: str, name: str) -> Credentials:
        secret = await self._kube.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        where = f"the Secret {name} in namespace {namespace}"
        if secret is None:
            raise NotFound(
                f"There are no credentials: create {where}.", reason=Reason.CREDENTIALS_MISSING
            )
        data = secret.get("data") or {}
        try:
            texts = {key: base64.b64decode(value).decode().strip() for key, value in data.items()}
        except ValueError as error:
            raise UserError(
                f"{where} is not text: write it anew.", reason=Reason.CREDENTIALS_MISSING
            ) from error
        missing = [
            key
            for key in (names.SECRET_ACCESS_KEY_ID, names.SECRET_ACCESS_KEY_SECRET)
            if not texts.get(key)
        ]
        if missing:
            raise NotFound(
                f"{where} lacks {' and '.join(missing)}: add it.",
                reason=Reason.CREDENTIALS_MISSING,
            )
        return Credentials(
            texts[names.SECRET_ACCESS_KEY_ID],
            texts[names.SECRET_ACCESS_KEY_SECRET],
            texts.get(names.SECRET_SECURITY_TOKEN, ""),
        )
