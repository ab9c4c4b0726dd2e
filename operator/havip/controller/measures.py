"""What the controller measures."""

from typing import Final

from havip.metrics import HAVIP, Measure, counter, gauge, histogram

LEADING: Final = gauge("havip_controller_leading", "1 where this replica is the active one.")
LOOP_AGE: Final = gauge(
    "havip_controller_loop_age_seconds",
    "Time since the event loop of the active replica last ran; more than a few seconds: it hangs.",
)
HAVIPS: Final = gauge("havip_havips", "HaVips looked after.")
BUILD: Final = gauge("havip_controller_build_info", "1, with the version.", "version")

RECONCILES: Final = histogram(
    "havip_reconcile_duration_seconds",
    "Looks at one HaVip: ok, error (it is told in the conditions and tried again), or bug.",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    "result",
)
DRIFT: Final = counter(
    "havip_drift_mended_total",
    "Times that something of the HaVip in the cloud had been changed by others and was put right.",
    *HAVIP,
)
CLOUD_CALLS: Final = histogram(
    "havip_cloud_call_duration_seconds",
    "Calls to the cloud. The result is Ok or what kind of error it was, Throttled among them.",
    (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    "action",
    "result",
)
CLOUD_WAITS: Final = counter(
    "havip_cloud_call_wait_seconds_total",
    "Time that calls waited for their turn, so that the cloud would not throttle them, or since it"
    " did.",
    "action",
)

CONDITION: Final = gauge(
    "havip_condition",
    "1 for what each condition of the HaVip says now; one that says something else is absent.",
    *HAVIP,
    "type",
    "status",
    "reason",
)
HOLDER: Final = gauge("havip_holder", "1 for the node that the register names.", *HAVIP, "node")
REGISTER_EPOCH: Final = gauge(
    "havip_register_epoch", "How many ownerships there were so far, as the register says.", *HAVIP
)
MEMBERS_WANTED: Final = gauge("havip_members_wanted", "Members that there should be.", *HAVIP)
MEMBERS_READY: Final = gauge(
    "havip_members_ready", "Members that may own the address, as the cloud has them.", *HAVIP
)
MEMBERS_HEALTHY: Final = gauge(
    "havip_members_healthy", "Those of the ready members whose checks pass.", *HAVIP
)
AGENT_SILENCE: Final = gauge(
    "havip_agent_silence_seconds",
    "Time since the agent of a node that is a member last reported; +Inf where it never did.",
    "node",
)
FAILOVER_AT: Final = gauge(
    "havip_last_failover_timestamp_seconds", "When the address last moved.", *HAVIP
)
FAILOVER_PHASE: Final = gauge(
    "havip_last_failover_phase_seconds",
    "Time from when the outage was noticed to each phase of the last failover: acquired,"
    " addressSet, announced, cloudMoved.",
    *HAVIP,
    "phase",
)
ANNOUNCE_REQUESTED: Final = gauge(
    "havip_announce_requested",
    "Times that the present owner was asked to announce again, since the cloud does not follow.",
    *HAVIP,
)

CLASS_CONDITION: Final = gauge(
    "havip_class_condition",
    "1 for what each condition of the HaVipClass says now.",
    "class",
    "type",
    "status",
    "reason",
)
QUOTA_USED: Final = gauge(
    "havip_quota_used",
    "What is used of a quota: HaVipsPerVpc (of anybody); and, of HaVips of this cluster in the"
    " class, RoutesPerTable, MembersPerHaVip and HaVipsPerInstance, each where most is used.",
    "class",
    "quota",
)
QUOTA_LIMIT: Final = gauge(
    "havip_quota_limit", "What the HaVipClass says is allowed.", "class", "quota"
)

ALL: Final[tuple[Measure, ...]] = (
    *(LEADING, LOOP_AGE, HAVIPS, BUILD, RECONCILES, DRIFT, CLOUD_CALLS, CLOUD_WAITS),
    *(CONDITION, HOLDER, REGISTER_EPOCH, MEMBERS_WANTED, MEMBERS_READY, MEMBERS_HEALTHY),
    *(AGENT_SILENCE, FAILOVER_AT, FAILOVER_PHASE, ANNOUNCE_REQUESTED),
    *(CLASS_CONDITION, QUOTA_USED, QUOTA_LIMIT),
)
