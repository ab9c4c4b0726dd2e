"""Do the planned step: one call to the cloud, under the ClientToken of its intent."""

from havip.api.errors import CloudError, HaVipError, RouteTaken
from havip.cloud.port import Cloud, NewRoute
from havip.cloud.tokens import Intent, Tokens
from havip.controller.plan.steps import (
    AllocateEip,
    Associate,
    AssociateEip,
    Create,
    CreateRoute,
    Delete,
    DeleteRoute,
    EipStep,
    HaVipStep,
    Modify,
    ModifyEip,
    Move,
    ReleaseEip,
    Step,
    Tag,
    Unassociate,
    UnassociateEip,
    Untag,
)

REPLAYS_BEFORE_ANEW = 10
"""Answers to a creation that name something no listing shows, before it is taken for lost."""
PARAMETERS_CHANGED = "IdempotentParameterMismatch"


def intent_of(uid: str, step: Step) -> Intent:
    """Return what a step means to achieve; two steps of the same intent are the same call.

    A creation is one intent whatever its parameters: if the object was edited after a creation
    whose answer was lost, the cloud refuses the changed call (IdempotentParameterMismatch)
    instead of making a second one. Calls without a ClientToken do no harm when done twice.
    """
    action = type(step).__name__
    match step:
        case Create(instead_of=instead_of) | AllocateEip(instead_of=instead_of):
            return Intent(uid, action, (instead_of,))
        case Modify(ha_vip_id, name, description):
            return Intent(uid, action, (ha_vip_id, name, description))
        case Associate(ha_vip_id, member_id):
            return Intent(uid, action, (ha_vip_id, member_id))
        case Unassociate(ha_vip_id, member_id, force=force):
            return Intent(uid, action, (ha_vip_id, member_id, str(force)))
        case AssociateEip(allocation_id, ha_vip_id) | UnassociateEip(allocation_id, ha_vip_id):
            return Intent(uid, action, (allocation_id, ha_vip_id))
        case CreateRoute(new):
            return Intent(uid, action, (new.route_table_id, new.destination, new.ha_vip_id))
        case Delete(ha_vip_id):
            return Intent(uid, action, (ha_vip_id,))
        case ModifyEip(resource_id) | ReleaseEip(resource_id):
            return Intent(uid, action, (resource_id,))
        case DeleteRoute(route_entry_id=resource_id):
            return Intent(uid, action, (resource_id,))
        case Tag(_, resource_id) | Untag(_, resource_id) | Move(_, resource_id):
            return Intent(uid, action, (resource_id,))


class Executor:
    """Executes the steps of one HaVip."""

    def __init__(self, uid: str) -> None:
        self._uid = uid
        self._tokens = Tokens()
        self._replays = 0

    async def execute(self, cloud: Cloud, step: Step) -> None:
        """Make the call. An error whose outcome is unknown leaves the intent, and its token."""
        intent = intent_of(self._uid, step)
        token = self._tokens.of(intent)
        creation = isinstance(step, Create | AllocateEip)
        try:
            await _call(cloud, step, token)
        except HaVipError as error:
            if creation and error.code.startswith(PARAMETERS_CHANGED):
                self._count_replay(intent)
            elif not (isinstance(error, CloudError) and error.outcome_unknown):
                self._tokens.conclude(intent)
            raise
        if not creation:
            self._tokens.conclude(intent)
            return
        # A creation is over when a listing shows what it made. Until then the same call gives the
        # same one again, however late the listings are.
        self._count_replay(intent)

    def _count_replay(self, intent: Intent) -> None:
        self._replays += 1
        if self._replays >= REPLAYS_BEFORE_ANEW:
            self._tokens.conclude(intent)
            self._replays = 0


async def _call(cloud: Cloud, step: Step, token: str) -> None:
    match step:
        case Create() | Modify() | Associate() | Unassociate() | Delete():
            await _change_ha_vip(cloud, step, token)
        case AllocateEip() | ModifyEip() | AssociateEip() | UnassociateEip() | ReleaseEip():
            await _change_eip(cloud, step, token)
        case CreateRoute(new):
            await _create_route(cloud, new, token)
        case DeleteRoute(route_entry_id=route_entry_id):
            await cloud.delete_route(route_entry_id)
        case Tag(kind, resource_id, tags):
            await cloud.tag(kind, resource_id, tags)
        case Untag(kind, resource_id, keys):
            await cloud.untag(kind, resource_id, keys)
        case Move(kind, resource_id, group):
            await cloud.move_resource_group(kind, resource_id, group)


async def _change_ha_vip(cloud: Cloud, step: HaVipStep, token: str) -> None:
    match step:
        case Create(new=new):
            await cloud.create_ha_vip(new, token)
        case Modify(ha_vip_id, name, description):
            await cloud.modify_ha_vip(ha_vip_id, name, description, token)
        case Associate(ha_vip_id, member_id, type_):
            await cloud.associate(ha_vip_id, member_id, type_, token)
        case Unassociate(ha_vip_id, member_id, type_, force=force):
            await cloud.unassociate(ha_vip_id, member_id, type_, token, force=force)
        case Delete(ha_vip_id):
            await cloud.delete_ha_vip(ha_vip_id, token)


async def _change_eip(cloud: Cloud, step: EipStep, token: str) -> None:
    match step:
        case AllocateEip(new=new):
            await cloud.allocate_eip(new, token)
        case ModifyEip(allocation_id, name, description, bandwidth):
            await cloud.modify_eip(
                allocation_id, name=name, description=description, bandwidth_mbps=bandwidth
            )
        case AssociateEip(allocation_id, ha_vip_id):
            await cloud.associate_eip(allocation_id, ha_vip_id, token)
        case UnassociateEip(allocation_id, ha_vip_id):
            await cloud.unassociate_eip(allocation_id, ha_vip_id, token)
        case ReleaseEip(allocation_id):
            await cloud.release_eip(allocation_id)


async def _create_route(cloud: Cloud, new: NewRoute, token: str) -> None:
    """Add the route; where the table has the block already, say where it leads."""
    try:
        await cloud.create_route(new, token)
    except RouteTaken as error:
        found = await cloud.find_route(new.route_table_id, new.destination)
        if found is None:
            raise
        if found.next_hop_id == new.ha_vip_id:
            return  # our own, from a call whose answer was lost
        raise RouteTaken(
            f"{new.route_table_id} has a route for {new.destination} already, to"
            f" {found.next_hop_type} {found.next_hop_id}: remove that route, or take this one out"
            " of spec.routes.",
            code=error.code,
        ) from error
