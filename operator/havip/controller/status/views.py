"""Whether the address is held, and whether all who can know name the same owner. Pure."""

from havip.api.conditions import ConditionStatus, Reason
from havip.api.havip import HaVipStatus, Holder
from havip.api.havipnode import Fence
from havip.controller.observe import Observation
from havip.controller.plan.announcing import kernels_with
from havip.controller.plan.outcome import Verdict

TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def held(seen: Observation, holder: Holder | None) -> Verdict:
    """Return what ``Held`` says."""
    if holder is None:
        if seen.register is None:
            told = "There is no register yet to elect a holder in: it is made with the HaVip."
            return Verdict(FALSE, Reason.ELECTION_PENDING, told)
        told = (
            "No node holds the address: a member that is ready takes it, so see that there is one."
        )
        return Verdict(FALSE, Reason.NO_HOLDER, told)
    node = seen.node(holder.node)
    if node and node.agent and node.agent.fence is Fence.COARSE:
        return Verdict(
            TRUE,
            Reason.FENCE_COARSE,
            f"{holder.node} holds the address, but its kernel has no exact fence: a frozen agent"
            " may keep it for 2 s. Install nftables in its kernel.",
        )
    return Verdict(TRUE, Reason.HELD, f"{holder.node} holds the address.")


def consistent(seen: Observation, after: HaVipStatus) -> Verdict:
    """Compare the register's holder, the kernels' addresses and the cloud's master."""
    address, holder = after.address, after.holder
    kernels = kernels_with(seen, address, holder)
    if len(kernels) > 1:
        return Verdict(
            FALSE,
            Reason.SEVERAL_OWNERS,
            f"{address} is on {', '.join(kernels)} at once; the register says"
            f" {holder.node if holder else 'nobody'}. See the agent's log on the others.",
        )
    if holder is None:
        if kernels:
            return Verdict(
                FALSE,
                Reason.KERNEL_DIFFERS,
                f"{address} is on {kernels[0]}, but the register names no holder: see the agent's"
                " log there.",
            )
        return Verdict(UNKNOWN, Reason.NO_HOLDER, "Nobody holds the address yet.")
    node = seen.node(holder.node)
    if node is None or node.agent is None or seen.silent(node):
        told = f"The agent of {holder.node} does not report: see whether it and the node run."
        return Verdict(UNKNOWN, Reason.HOLDER_UNKNOWN, told)
    if kernels != [holder.node]:
        where = f"on {kernels[0]}" if kernels else "on no node"
        return Verdict(
            FALSE,
            Reason.KERNEL_DIFFERS,
            f"The register says {holder.node}, but {address} is {where}: see the agent's log on"
            f" {holder.node}.",
        )
    member_id = seen.member_id_of(holder.node)
    if after.cloud_master != member_id:
        return Verdict(
            FALSE,
            Reason.CLOUD_DIFFERS,
            f"{holder.node} ({member_id or 'no member'}) holds the address, but the cloud sends its"
            f" traffic to {after.cloud_master or 'nobody'}.{_asked(after)}",
        )
    return Verdict(
        TRUE, Reason.VIEWS_AGREE, f"The register, the kernels and the cloud all say {holder.node}."
    )


def _asked(after: HaVipStatus) -> str:
    request = after.announce_request
    if request is None:
        return ""
    return f" It was asked {request.number} times to announce the address again."
