"""Where a Service has endpoints, as its EndpointSlices tell, change by change.

One watch for each Service that a check names, and of a slice nothing is kept but two truths: a
node's agent must not grow with the cluster.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Final

from havip.agent.kube import Changed, Deleted, Kube, Listed, Object

_SERVICE: Final = "kubernetes.io/service-name"
_IPV4: Final = "IPv4"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Whether a Service has endpoints that new connections may go to, by where they are."""

    here: bool
    elsewhere: bool


def endpoints_of(slices: Iterable[Object], node: str) -> Endpoints:
    """Return where the endpoints of these slices are, seen from `node`."""
    homes = [
        endpoint.get("nodeName") or ""
        for each in slices
        if each["addressType"] == _IPV4
        for endpoint in each.get("endpoints") or ()
        if _takes_connections(endpoint.get("conditions") or {})
    ]
    return Endpoints(node in homes, any(home != node for home in homes))


def _takes_connections(conditions: Object) -> bool:
    # What is left out means well. Ready alone does not tell: a Service may ask for addresses that
    # are not ready, and then one that ends is called ready until it is gone.
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving") is not False
    return ready and serving and not conditions.get("terminating")


async def follow_endpoints(
    kube: Kube, node: str, namespace: str, service: str
) -> AsyncGenerator[Endpoints, None]:
    """Yield where a Service has endpoints, at first and after each change, for ever.

    Nothing is yielded while the API server is away, so what was said last stands.
    """
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    known: dict[str, Endpoints] = {}
    async for change in kube.follow(path, f"{_SERVICE}={service}"):
        match change:
            case Listed(objects):
                known = {_name(each): endpoints_of([each], node) for each in objects}
            case Changed(found):
                known[_name(found)] = endpoints_of([found], node)
            case Deleted(found):
                known.pop(_name(found), None)
        yield Endpoints(
            any(each.here for each in known.values()),
            any(each.elsewhere for each in known.values()),
        )


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])
