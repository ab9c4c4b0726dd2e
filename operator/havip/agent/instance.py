"""Who this node is in the cloud, as its metadata service says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import httpx2

_SESSION_SECONDS: Final = "300"
_TIMEOUT: Final = 2.0


class MetadataError(Exception):
    """The metadata service did not answer, or not as documented."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The node's instance."""

    instance_id: str
    region: str
    vpc_id: str
    v_switch_id: str
    network_interfaces: dict[str, str] = field(default_factory=dict)
    """Ids of the network interfaces, by MAC address."""


async def identify(endpoint: str) -> Instance:
    """Ask the metadata service at `endpoint`, by a session token as its hardened mode requires.

    Raises:
        MetadataError: no answer, or an answer that makes no sense.

    """
    try:
        # The service speaks plain HTTP; to load certificates would stop the event loop for a while.
        async with httpx2.AsyncClient(
            base_url=endpoint, timeout=_TIMEOUT, trust_env=False, verify=False
        ) as client:
            return await _ask(client)
    except (httpx2.HTTPError, OSError) as error:
        raise MetadataError(
            f"metadata service at {endpoint}: {error or type(error).__name__}"
        ) from error


async def _ask(client: httpx2.AsyncClient) -> Instance:
    answer = await client.put(
        "/latest/api/token",
        headers={"X-aliyun-ecs-metadata-token-ttl-seconds": _SESSION_SECONDS},
    )
    if answer.is_success:
        client.headers["X-aliyun-ecs-metadata-token"] = answer.text.strip()

    async def item(path: str) -> str:
        found = await client.get(f"/latest/meta-data/{path}")
        found.raise_for_status()
        return found.text.strip()

    macs = "network/interfaces/macs/"
    found = [mac.strip("/") for mac in (await item(macs)).split()]
    return Instance(
        instance_id=await item("instance-id"),
        region=await item("region-id"),
        vpc_id=await item("vpc-id"),
        v_switch_id=await item("vswitch-id"),
        network_interfaces={
            mac.lower(): await item(f"{macs}{mac}/network-interface-id") for mac in found
        },
    )
