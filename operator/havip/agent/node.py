"""What all HaVips of a node share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime

from havip.agent.address import Addresses
from havip.agent.announce import Announcer
from havip.agent.endpoints import Endpoints
from havip.agent.epochs import Epochs
from havip.agent.fence import Fence, Holds
from havip.agent.interfaces import NetworkInterfaces
from havip.agent.transport import Peers
from havip.metrics import Ledger


@dataclass(frozen=True, slots=True)
class Node:
    """The node's kernel, its peers and its clocks; `life` numbers this life of the agent."""

    name: str
    life: int
    fence: Fence
    holds: Holds
    addresses: Addresses
    network_interfaces: NetworkInterfaces
    announcer: Announcer
    peers: Peers
    epochs: Epochs
    clock: Callable[[], float]
    wall_clock: Callable[[], datetime]
    changed: Callable[[], None]
    """Called when there is something new to report."""
    endpoints: Callable[[str, str], AsyncIterator[Endpoints]]
    """Tells of the endpoints of a Service, by namespace and name, as they come and go."""
    address: str
    """Where the node's kube-proxy answers."""
    ledger: Ledger = field(default_factory=Ledger)
    """What is counted of all HaVips together."""
