"""The register of a HaVip: its Lease, read and replaced by compare-and-swap.

A write that was not answered is never taken for one that failed: `Outcome.UNKNOWN` says that it
may be stored already, later, or never. Only a definite "no" of the server is a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from havip.agent.kube import Kube, KubeError, NoAnswerError, Object, RefusedError
from havip.api import names
from havip.election.events import Answered, Outcome
from havip.election.record import Record


def leases(namespace: str) -> str:
    """Path of the collection that holds all registers."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def uid_of(lease: Object) -> str | None:
    """Uid of the HaVip whose register this is; `None` for any other Lease."""
    uid: str | None = (lease["metadata"].get("labels") or {}).get(names.LABEL_UID)
    return uid


def to_record(lease: Object) -> Record:
    """Read what a Lease says as a register. Raises `ValueError` where it makes no sense."""
    spec = lease.get("spec") or {}
    notes = lease["metadata"].get("annotations") or {}
    waits = [float(wait) for wait in notes.get(names.ANNOTATION_WAITS, "0,0,0").split(",")]
    if len(waits) != 3:
        raise ValueError(f"{names.ANNOTATION_WAITS} must have three numbers")
    return Record(
        version=int(lease["metadata"]["resourceVersion"]),
        holder=spec.get("holderIdentity") or None,
        epoch=int(spec.get("leaseTransitions") or 0),
        members=frozenset(filter(None, notes.get(names.ANNOTATION_MEMBERS, "").split(","))),
        challenger=notes.get(names.ANNOTATION_CHALLENGE) or None,
        given=names.ANNOTATION_GIVEN in notes,
        challenge=waits[0],
        unmembered=waits[1],
        grant=waits[2],
        write=notes.get(names.ANNOTATION_WRITE, ""),
    )


def to_lease(known: Object, record: Record, now: datetime) -> Object:
    """Return the Lease that says `record`, with all else as in `known`."""
    old = known["metadata"]
    notes = {
        names.ANNOTATION_MEMBERS: ",".join(sorted(record.members)),
        names.ANNOTATION_CHALLENGE: record.challenger or "",
        names.ANNOTATION_GIVEN: "true" if record.given else "",
        names.ANNOTATION_WAITS: f"{record.challenge!r},{record.unmembered!r},{record.grant!r}",
        names.ANNOTATION_WRITE: record.write,
    }
    foreign = {k: v for k, v in (old.get("annotations") or {}).items() if k not in notes}
    kept = ("name", "namespace", "uid", "labels", "ownerReferences", "finalizers")
    spec = {
        "holderIdentity": record.holder,
        "leaseTransitions": record.epoch,
        "renewTime": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z",
    }
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {key: old[key] for key in kept if key in old}
        | {
            "resourceVersion": str(record.version),
            "annotations": foreign | {k: v for k, v in notes.items() if v},
        },
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


class LeaseRegister:
    """The Lease of one HaVip."""

    def __init__(
        self, kube: Kube, namespace: str, uid: str, wall_clock: Callable[[], datetime]
    ) -> None:
        """Use `wall_clock` (UTC) for `renewTime`, which is for people only."""
        self._kube = kube
        self._path = f"{leases(namespace)}/{names.lease_name(uid)}"
        self._wall_clock = wall_clock
        self._known: Object | None = None

    def saw(self, lease: Object) -> None:
        """Take note of a version that a watch brought."""
        self._known = lease

    async def read(self, timeout: float) -> Record:
        """Read the register past every cache. Raises `KubeError`, or `ValueError` for nonsense."""
        self._known = await self._kube.get(self._path, timeout)
        return to_record(self._known)

    async def write(self, record: Record, timeout: float) -> Answered:
        """Replace version `record.version` by `record` within `timeout` seconds; once, no retry."""
        if self._known is None:
            # Nobody can propose a write before a version was seen; refused is the truth anyway.
            return Answered(record.write, Outcome.REFUSED)
        body = to_lease(self._known, record, self._wall_clock())
        try:
            stored = await self._kube.put(self._path, body, timeout)
            version = int(stored["metadata"]["resourceVersion"])
        except RefusedError:
            return Answered(record.write, Outcome.REFUSED)
        except (NoAnswerError, KubeError, KeyError, ValueError):
            return Answered(record.write, Outcome.UNKNOWN)
        self._known = stored
        return Answered(record.write, Outcome.CONFIRMED, version)
