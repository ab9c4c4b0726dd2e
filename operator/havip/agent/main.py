"""`havip agent`: puts the parts together, and takes them apart in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import signal
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from lightkube.core.exceptions import ConfigError

from havip.agent.address import Addresses
from havip.agent.announce import Announcer
from havip.agent.endpoints import follow_endpoints
from havip.agent.epochs import Epochs
from havip.agent.fence import Fence, Holds, open_fence
from havip.agent.hearing import Hearing
from havip.agent.interfaces import NetworkInterfaces
from havip.agent.kube import Kube, KubeError
from havip.agent.loop import Loop
from havip.agent.metrics import Facts, new_ledger
from havip.agent.nftables import NftablesError
from havip.agent.node import Node
from havip.agent.objects import follow_havips, follow_nodes
from havip.agent.pages import Pages
from havip.agent.register import LeaseRegister
from havip.agent.report import Reporter, interfaces_of, status_of_keepers
from havip.agent.transport import Peers, read_keys
from havip.api.errors import BugError, InvalidSpec
from havip.api.havipnode import Fence as ReportedFence
from havip.api.havipnode import HaVipNodeStatus
from havip.election.wire import Addressed, Opener, Sealer

log = logging.getLogger(__name__)

_KEYS_EVERY: Final = 10.0
_LOOK_EVERY: Final = 30.0
_FAREWELL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's options."""

    node: str
    node_address: str
    namespace: str
    key_dir: Path
    state_dir: Path
    metadata_endpoint: str
    peer_port: int
    listen: str


def run(
    *,
    node: str,
    node_address: str,
    namespace: str,
    key_dir: Path,
    state_dir: Path,
    metadata_endpoint: str,
    peer_port: int,
    listen: str,
) -> None:
    """Run the agent until it is told to stop; what it holds is handed over then.

    Raises:
        UserError: an option, a key or the kubeconfig cannot work.
        BugError: a part of it ended; what it held was let go of.

    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # One line per request would be several a second.
    for noisy in ("httpx2", "httpx", "httpcore", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    options = Options(
        node,
        node_address,
        namespace,
        key_dir,
        state_dir,
        metadata_endpoint,
        peer_port,
        listen,
    )
    asyncio.run(Agent(options).run())


class Agent:
    """The parts of one agent."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._findings: dict[str, str] = {}
        self._stop = asyncio.Event()
        self._addresses = Addresses()
        self._network_interfaces = NetworkInterfaces(
            options.metadata_endpoint, self._addresses, self._look
        )
        self._announcer = Announcer()
        self._hearing = Hearing()
        self._fence: Fence
        self._loop: Loop
        self._reporter: Reporter

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        options = self._options
        try:
            keys = read_keys(options.key_dir)
            epochs = Epochs(options.state_dir)
            kube = Kube.from_environment()
        except (ValueError, OSError, KubeError, ConfigError) as error:
            raise InvalidSpec(f"the agent cannot start: {error}") from error
        # Only the disk and name servers are waited for in threads; each costs memory.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        clock = asyncio.get_running_loop().time
        life = epochs.begin_life(time.time_ns())
        await self._clean_up(clock)
        peers = Peers(
            Sealer(options.node, life, keys[0]),
            Opener(options.node, keys),
            self._heard,
        )
        self._reporter = Reporter(kube, options.node, self._status, _utc)
        node = Node(
            options.node,
            life,
            self._fence,
            Holds(self._fence),
            self._addresses,
            self._network_interfaces,
            self._announcer,
            peers,
            epochs,
            clock,
            _utc,
            self._reporter.changed,
            partial(follow_endpoints, kube, options.node),
            options.node_address,
            new_ledger(options.node),
        )
        self._loop = Loop(node, lambda uid: LeaseRegister(kube, options.namespace, uid, _utc))
        self._addresses.on_change = self._look
        facts = Facts(
            self._loop.keepers, peers, self._announcer, self._fence, kube, clock, _version()
        )
        pages = Pages(options.node, facts, node.ledger)
        await self._serve(kube, peers, pages, keys)

    async def _serve(self, kube: Kube, peers: Peers, pages: Pages, keys: tuple[bytes, ...]) -> None:
        options, loop = self._options, self._loop
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        host, _, port = options.listen.rpartition(":")
        try:
            await peers.open(options.node_address, options.peer_port)
            server = await pages.open(host, int(port))
        except (OSError, ValueError) as error:
            raise InvalidSpec(f"the agent cannot listen: {error}") from error
        works: list[Coroutine[Any, Any, None]] = [
            follow_nodes(kube, peers.know),
            loop.follow_leases(kube, options.namespace),
            follow_havips(kube, options.node, loop.assign),
            self._hearing.run(peers, lambda: loop.peers, self._reporter.changed),
            self._reporter.run(),
            self._network_interfaces.run(),
            self._look_now_and_then(),
            self._follow_keys(peers, keys),
        ]
        tasks = [asyncio.create_task(work) for work in works]
        _settle_memory()
        stopping: asyncio.Task[Any] = asyncio.create_task(self._stop.wait())
        log.info("node %s, fence %s, on its way", options.node, self._fence.kind.value)
        try:
            await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            # None of these ever ends by itself: one that did was a bug. Let go in good order all
            # the same, and say so at the end.
            broken = [task.exception() for task in tasks if task.done()]
            # The watches go on meanwhile: a handover wants to hear of the register.
            await loop.stop()
            with contextlib.suppress(KubeError, KeyError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._reporter.write()
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)
            peers.close()
            server.close()
            await kube.close()
            await self._addresses.remove_ours()
            await self._addresses.close()
            self._announcer.close()
            with contextlib.suppress(NftablesError):
                self._fence.close()
        if broken:
            raise BugError(f"a part of the agent ended: {broken[0]!r}") from broken[0]

    async def _clean_up(self, clock: Any) -> None:  # noqa: ANN401
        """Close and remove what an earlier life left; a fence is only dropped when that is gone."""
        self._fence, why_coarse = open_fence(clock)
        await self._addresses.open()
        removed = await self._addresses.remove_ours()
        if removed:
            log.warning("removed addresses of an earlier life: %s", removed)
        self._fence.reset()
        if why_coarse:
            log.warning("no exact fence: %s", why_coarse)
            self._findings["fence"] = (
                f"no exact fence ({why_coarse}): give the node a kernel with nftables"
            )

    # -- works that never end ---------------------------------------------------------------------

    def _heard(self, sender: str, entry: Addressed) -> None:
        self._loop.heard(sender, entry)

    def _look(self) -> None:
        self._network_interfaces.look()
        self._loop.look()
        self._reporter.changed()

    async def _look_now_and_then(self) -> None:
        """Notices of the kernel may be lost; what it has may not."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self._addresses.look()
            self._look()

    async def _follow_keys(self, peers: Peers, keys: tuple[bytes, ...]) -> None:
        while True:
            await asyncio.sleep(_KEYS_EVERY)
            try:
                fresh = read_keys(self._options.key_dir)
            except (OSError, ValueError) as error:
                log.warning("the peers' keys cannot be read, keeping the old ones: %s", error)
                continue
            if fresh != keys:
                log.info("using the peers' new keys")
                keys = fresh
                peers.use_keys(keys)

    def _status(self) -> HaVipNodeStatus:
        instance = self._network_interfaces.instance
        findings = (*self._findings.values(), self._network_interfaces.finding)
        base = HaVipNodeStatus(
            instance_id=instance.instance_id if instance else "",
            region=instance.region if instance else "",
            vpc_id=instance.vpc_id if instance else "",
            v_switch_id=instance.v_switch_id if instance else "",
            node_address=self._options.node_address,
            peer_port=self._options.peer_port,
            interfaces=interfaces_of(self._addresses, self._network_interfaces),
            fence=ReportedFence(self._fence.kind.value),
            kernel_addresses=tuple(map(str, self._addresses.ours())),
            findings=tuple(filter(None, findings)),
            unheard=self._hearing.unheard(),
            agent_version=_version(),
        )
        return status_of_keepers(base, self._loop.keepers.values())


def _settle_memory() -> None:
    """Keep the collector's pauses far below a heartbeat, and give back what starting took.

    What was loaded so far stays for ever, so the collector need not look at it again.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _utc() -> datetime:
    return datetime.now(UTC)


def _version() -> str:
    try:
        return version("havip-operator")
    except PackageNotFoundError:
        return "unknown"
