"""The writes: finalizers and statuses of Services, and HaVips. Each depends on what was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from havip.api.havip import HaVip
from havip.api.names import API_VERSION, HAVIP_PLURAL, SERVICE_FINALIZER
from havip.controller.kube import Json, Kube, KubernetesError, path_of, replacing
from havip.controller.services.demand import still_asks, whom_to_ask
from havip.controller.services.objects import Service, ServiceStatus, service_path


class Writer:
    """Makes the calls. A Service that is gone meanwhile is answered by None."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def add_finalizer(self, service: Service) -> Json | None:
        """Have a Service wait for the end of its HaVip."""
        return await self._set_finalizers(
            service, [*service.metadata.finalizers, SERVICE_FINALIZER]
        )

    async def remove_finalizer(self, service: Service) -> Json | None:
        """Let a Service go."""
        kept = [each for each in service.metadata.finalizers if each != SERVICE_FINALIZER]
        return await self._set_finalizers(service, kept)

    async def _set_finalizers(self, service: Service, finalizers: list[str]) -> Json | None:
        return await self._patch(service, "", "/metadata/finalizers", finalizers)

    async def report(self, service: Service, status: ServiceStatus) -> Json | None:
        """Write the status of a Service."""
        return await self._patch(service, "/status", "/status", status.to_json())

    async def _patch(
        self, service: Service, subresource: str, field: str, value: object
    ) -> Json | None:
        meta = service.metadata
        operations = replacing(field, value, uid=meta.uid, version=meta.resource_version)
        try:
            return await self._kube.patch(f"{service.path}{subresource}", operations)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, body: Json) -> Json:
        """Create a HaVip."""
        namespace = body["metadata"]["namespace"]
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{HAVIP_PLURAL}"
        return await self._kube.create(path, body)

    async def replace(self, havip: HaVip, body: Mapping[str, Any]) -> Json:
        """Replace a HaVip, unless it changed since it was read."""
        return await self._kube.replace(path_of(havip), dict(body))

    async def delete(self, havip: HaVip) -> bool:
        """Delete a HaVip unless one of its Services asks for it still; tell whether it is done.

        The Services are read anew: what we remember of them may be behind, and an address that
        was given back may be gone for good.
        """
        for key in whom_to_ask(havip):
            if still_asks(await self._kube.get(service_path(key)), havip):
                return False
        await self._kube.delete(path_of(havip), havip.metadata.uid)
        return True
