"""The register of a HaVip: a Lease that the controller makes and deletes and the agents write.

The controller reads the holder from it. It writes into it in one case only: the holder is no member
in the cloud any more, so that it can receive nothing. Then the tie is broken by clearing the
holder; ``plan.fencing`` says when.
"""

from collections.abc import Collection, Mapping
from typing import Any

from havip.api.havip import HaVip
from havip.api.names import (
    ANNOTATION_CHALLENGE,
    ANNOTATION_GIVEN,
    ANNOTATION_MEMBERS,
    ANNOTATION_WRITE,
    LABEL_NAME,
    LABEL_NAMESPACE,
    LABEL_UID,
    lease_name,
)
from havip.controller.kube import Json, Kube, KubernetesError
from havip.controller.observe import RegisterFacts


def register_facts(lease: Mapping[str, Any]) -> RegisterFacts:
    """Read a Lease."""
    spec = lease.get("spec") or {}
    annotations = lease["metadata"].get("annotations") or {}
    members: str = annotations.get(ANNOTATION_MEMBERS) or ""
    return RegisterFacts(
        holder=spec.get("holderIdentity") or "",
        epoch=spec.get("leaseTransitions") or 0,
        members=tuple(each for each in members.split(",") if each),
        given=ANNOTATION_GIVEN in annotations,
        resource_version=lease["metadata"].get("resourceVersion") or "",
        body=lease,
    )


def new_lease(havip: HaVip, namespace: str) -> Json:
    """Return the Lease to create: nobody holds the address, and the epoch is zero.

    Where somebody deleted the Lease of a HaVip that has a holder, the last one known goes into the
    new one: it may still hold, and without members nobody takes over from it before a long rest.
    """
    spec: Json = {"leaseTransitions": 0}
    if havip.status.holder is not None:
        holder = havip.status.holder
        spec = {"holderIdentity": holder.node, "leaseTransitions": holder.epoch}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": lease_name(havip.metadata.uid),
            "namespace": namespace,
            "labels": {
                LABEL_UID: havip.metadata.uid,
                LABEL_NAMESPACE: havip.metadata.namespace,
                LABEL_NAME: havip.metadata.name,
            },
        },
        "spec": spec,
    }


def cleared(lease: Mapping[str, Any], writer: str, followers: Collection[str]) -> Json:
    """Return the Lease without a holder. The epoch stays: the next owner adds one to it.

    ``followers`` are the only nodes that may follow; none of them: anybody may, after the longest
    of the waits.
    """
    metadata = dict(lease["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    for key in (ANNOTATION_MEMBERS, ANNOTATION_CHALLENGE, ANNOTATION_GIVEN):
        annotations.pop(key, None)
    if followers:
        annotations[ANNOTATION_MEMBERS] = ",".join(sorted(followers))
    annotations[ANNOTATION_WRITE] = f"{writer}/{metadata['resourceVersion']}"
    metadata["annotations"] = annotations
    metadata.pop("managedFields", None)
    spec = {key: value for key, value in lease["spec"].items() if key != "holderIdentity"}
    return {**lease, "metadata": metadata, "spec": spec}


class Registers:
    """Makes, clears and deletes Leases in the release's namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    async def create(self, havip: HaVip) -> RegisterFacts:
        """Create the register of a HaVip, or return the one there is."""
        lease = new_lease(havip, self._namespace)
        try:
            return register_facts(await self._kube.create(self._path, lease))
        except KubernetesError as error:
            if error.status != 409:
                raise
        found = await self._kube.get(f"{self._path}/{lease['metadata']['name']}")
        return register_facts(found or lease)

    async def read(self, uid: str) -> RegisterFacts | None:
        """Read the register as it is now."""
        found = await self._kube.get(f"{self._path}/{lease_name(uid)}")
        return register_facts(found) if found else None

    async def clear(self, register: RegisterFacts, followers: Collection[str]) -> None:
        """Take the holder out, unless anybody has written the register since."""
        body = cleared(register.body, "controller", followers)
        try:
            await self._kube.replace(f"{self._path}/{body['metadata']['name']}", body)
        except KubernetesError as error:
            if error.status != 409:
                raise

    async def delete(self, uid: str) -> None:
        """Delete the register."""
        await self._kube.delete(f"{self._path}/{lease_name(uid)}")
