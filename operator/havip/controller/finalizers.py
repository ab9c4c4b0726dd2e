"""The finalizer that keeps a HaVip until nothing of it is left in the cloud.

It is put on before the first change in the cloud and taken off after the last. We keep it
ourselves: kopf takes its finalizer off when a handler gives up, which would leak a paid resource.
"""

from collections.abc import Mapping
from typing import Any

from havip.api.havip import HaVip
from havip.api.names import FINALIZER
from havip.controller.kube import Kube, KubernetesError, path_of, replacing

CONFLICTS = (409, 422)
"""The object changed in between: a stale version, or a failed ``test`` of a patch."""


class Finalizers:
    """Puts the finalizer on and takes it off; each write depends on the version it read."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def add(self, havip: HaVip) -> HaVip:
        """Put it on, and return the object with it.

        Raises ``KubernetesError`` when the object changed meanwhile: its change wakes us again.
        """
        if FINALIZER in havip.metadata.finalizers:
            return havip
        wanted = [*havip.metadata.finalizers, FINALIZER]
        body = await self._set(havip, havip.metadata.resource_version, wanted)
        return HaVip.from_json(body)

    async def remove(self, havip: HaVip) -> None:
        """Take it off; an object that is gone or has none counts as done."""
        while True:
            body = await self._kube.get(path_of(havip))
            metadata: Mapping[str, Any] = (body or {}).get("metadata") or {}
            present = metadata.get("finalizers") or []
            if metadata.get("uid") != havip.metadata.uid or FINALIZER not in present:
                return
            wanted = [each for each in present if each != FINALIZER]
            try:
                await self._set(havip, metadata["resourceVersion"], wanted)
            except KubernetesError as error:
                if error.status in CONFLICTS:
                    continue
                if error.status != 404:
                    raise
            return

    async def _set(self, havip: HaVip, version: str, wanted: list[str]) -> dict[str, Any]:
        return await self._kube.patch(
            path_of(havip),
            replacing("/metadata/finalizers", wanted, uid=havip.metadata.uid, version=version),
        )
