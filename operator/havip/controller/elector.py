"""Which of the replicas is the active one: a Lease, written by whoever leads.

Two clocks never meet. A follower takes over when it has *seen* no change of the Lease for the
Lease's duration, on its own monotonic clock; what the Lease says of times is for people. A leader
is valid for ``renew_deadline`` from *before* it sent its last successful write. That deadline is
shorter than the duration, so a leader that cannot write stops before anybody may follow it.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from kubernetes import client

from havip.controller.kube import Json, KubernetesError, request

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ElectorTiming:
    """Seconds; ``duration`` > ``renew_deadline`` + the time a process takes to stop."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0
    call: float = 3.0
    """After this a call counts as unanswered."""


class LeaseStore(Protocol):
    """Where the Lease is; each call ends within its timeout or raises ``KubernetesError``."""

    def read(self, timeout: float) -> Json | None:
        """Read the Lease, None if there is none."""

    def create(self, lease: Json, timeout: float) -> Json:
        """Create the Lease."""

    def replace(self, lease: Json, timeout: float) -> Json:
        """Replace the Lease, if nobody has since it was read."""


class KubernetesLease:
    """The Lease in the Kubernetes API."""

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._api = api
        self._name = name
        self._namespace = namespace
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    def read(self, timeout: float) -> Json | None:
        """Read the Lease."""
        try:
            return request(self._api, "GET", f"{self._path}/{self._name}", None, timeout)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def create(self, lease: Json, timeout: float) -> Json:
        """Create the Lease."""
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            **lease,
            "metadata": {"name": self._name, "namespace": self._namespace},
        }
        return request(self._api, "POST", self._path, body, timeout)

    def replace(self, lease: Json, timeout: float) -> Json:
        """Replace the Lease."""
        return request(self._api, "PUT", f"{self._path}/{self._name}", lease, timeout)


class Elector:
    """One replica's part in the election of the active one."""

    def __init__(
        self,
        store: LeaseStore,
        identity: str,
        timing: ElectorTiming | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._identity = identity
        self._timing = timing or ElectorTiming()
        self._clock = clock
        self._valid_until = float("-inf")
        # The Lease as last seen, and when it was first seen so.
        self._seen_version = ""
        self._seen_at = 0.0

    def valid(self) -> bool:
        """Tell whether this replica leads at this very moment."""
        return self._clock() < self._valid_until

    def acquire(self, stop: threading.Event) -> bool:
        """Try until this replica leads (True) or ``stop`` is set (False)."""
        while not stop.is_set():
            if self.step():
                log.info("%s is the active replica", self._identity)
                return True
            stop.wait(self._timing.retry)
        return False

    def keep(self, stop: threading.Event) -> None:
        """Renew until the lead is lost or ``stop`` is set. Whoever leads watches ``valid``."""
        while not stop.wait(self._timing.retry) and self.valid():
            self.step()

    def step(self) -> bool:
        """Read the Lease and write it if it is ours to write; tell whether we lead."""
        try:
            lease = self._store.read(self._timing.call)
            started = self._clock()
            if lease is None:
                self._store.create({"spec": self._spec({})}, self._timing.call)
            elif self._may_write(lease):
                self._store.replace({**lease, "spec": self._spec(lease["spec"])}, self._timing.call)
            else:
                self._valid_until = float("-inf")
                return False
        except KubernetesError as error:
            # Refused or unanswered: what we had stays valid until its deadline, no longer.
            log.info("The controller's Lease cannot be written: %s", error)
            return self.valid()
        self._valid_until = started + self._timing.renew_deadline
        return self.valid()

    def release(self) -> None:
        """Let the other replica lead at once."""
        was_valid, self._valid_until = self.valid(), float("-inf")
        if not was_valid:
            return
        try:
            lease = self._store.read(self._timing.call)
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                spec = {**lease["spec"], "holderIdentity": ""}
                self._store.replace({**lease, "spec": spec}, self._timing.call)
        except KubernetesError as error:
            log.info("The controller's Lease was not released: %s", error)

    def _may_write(self, lease: Mapping[str, Any]) -> bool:
        holder = lease["spec"].get("holderIdentity") or ""
        version = lease["metadata"]["resourceVersion"]
        now = self._clock()
        if version != self._seen_version:
            self._seen_version, self._seen_at = version, now
        if holder == self._identity:
            # After a restart under the same name too: the one before us is dead.
            return True
        duration = lease["spec"].get("leaseDurationSeconds") or self._timing.duration
        return not holder or now - self._seen_at >= duration

    def _spec(self, before: Mapping[str, Any]) -> Json:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        same = before.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "acquireTime": before.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": (before.get("leaseTransitions") or 0) + (0 if same else 1),
        }
