"""What the agent measures. All of it has the label `node` besides."""

from __future__ import annotations

from typing import Final

from havip.metrics import HAVIP, Measure, counter, gauge, histogram

OWNS: Final = gauge("havip_owns", "1 where this node owns the HaVip, by its own belief.", *HAVIP)
EPOCH: Final = gauge("havip_epoch", "Number of the ownership that this node has.", *HAVIP)
HOLD_LEFT: Final = gauge(
    "havip_hold_remaining_seconds",
    "Time until this node's present right to the HaVip ends by itself.",
    *HAVIP,
)
ADDRESS_LEFT: Final = gauge(
    "havip_address_lifetime_remaining_seconds",
    "Lifetime left of the HaVip's address in this node's kernel.",
    *HAVIP,
)
HEALTHY: Final = gauge("havip_healthy", "1 where this node is fit to serve the HaVip.", *HAVIP)
OBJECTIVE: Final = gauge(
    "havip_failover_objective_seconds",
    "Time in which a failover should be announced, counted from when the silence was noticed:"
    " the election's grant and challenge.",
    *HAVIP,
)
TAKEOVERS: Final = counter(
    "havip_takeovers_total",
    "Ownerships that began on this node: crash (the owner fell silent), handover (it was given),"
    " vacant (nobody had it), regained (it was lost for a moment).",
    *HAVIP,
    "reason",
)
OUTAGE: Final = histogram(
    "havip_outage_seconds",
    "Time from when the former owner was found silent, or let go, to each phase of the takeover:"
    " acquired, addressSet, announced.",
    (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.9, 1.5, 3.0, 6.0, 15.0),
    "reason",
    "phase",
)
HEARTBEATS_SENT: Final = counter(
    "havip_heartbeats_sent_total", "Heartbeats sent to other members, as owner.", *HAVIP
)
HEARTBEATS_RECEIVED: Final = counter(
    "havip_heartbeats_received_total", "Heartbeats received from the owner.", *HAVIP
)
HEARTBEATS_LOST: Final = counter(
    "havip_heartbeats_lost_total",
    "Heartbeats of the owner that are missing between two that were received.",
    *HAVIP,
)
DATAGRAMS_SENT: Final = counter("havip_datagrams_sent_total", "Datagrams sent to other agents.")
DATAGRAMS_RECEIVED: Final = counter("havip_datagrams_received_total", "Datagrams accepted.")
DATAGRAMS_REJECTED: Final = counter(
    "havip_datagrams_rejected_total",
    "Datagrams not accepted: unsigned (of another key), replayed (or out of order), foreign"
    " (not for this agent), malformed, oversized.",
    "reason",
)
REGISTER_CALLS: Final = histogram(
    "havip_register_call_duration_seconds",
    "Reads and writes of registers: confirmed, refused (another write came first), or unknown"
    " (no answer).",
    (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
    "action",
    "result",
)
API_UNANSWERED: Final = gauge(
    "havip_api_unanswered_seconds",
    "Time since the API server left the first of this agent's calls without an answer; 0 while it"
    " answers.",
)
RIDE_THROUGH: Final = counter(
    "havip_ride_through_seconds_total",
    "Time for which this node owned the HaVip while its register did not answer.",
    *HAVIP,
)
ANNOUNCEMENTS: Final = counter(
    "havip_announcements_total", "Announcements sent (gratuitous ARP, both forms)."
)
ANNOUNCE_REQUESTS: Final = counter(
    "havip_announce_requests_total",
    "Times that the HaVip was announced anew because the cloud did not follow.",
    *HAVIP,
)
FAILURES: Final = counter(
    "havip_failures_total", "Failures of the agent's own: of the fence, the disk, or a bug.", *HAVIP
)
FENCE_EXACT: Final = gauge(
    "havip_fence_exact", "1 where the kernel ends an ownership to the millisecond, by nftables."
)
BUILD: Final = gauge("havip_agent_build_info", "1, with the version of the agent.", "version")

ALL: Final[tuple[Measure, ...]] = (
    *(OWNS, EPOCH, HOLD_LEFT, ADDRESS_LEFT, HEALTHY, OBJECTIVE, TAKEOVERS, OUTAGE),
    *(HEARTBEATS_SENT, HEARTBEATS_RECEIVED, HEARTBEATS_LOST),
    *(DATAGRAMS_SENT, DATAGRAMS_RECEIVED, DATAGRAMS_REJECTED),
    *(REGISTER_CALLS, API_UNANSWERED, RIDE_THROUGH),
    *(ANNOUNCEMENTS, ANNOUNCE_REQUESTS, FAILURES, FENCE_EXACT, BUILD),
)
