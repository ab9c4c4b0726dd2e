"""Do the planned step: one call to the cloud, under the ClientToken of its intent."""

from havip.api.errors import CloudError, HaVipError
from havip.cloud.port import Cloud, InstanceType, ResourceType
from havip.cloud.tokens import Intent, Tokens
from havip.controller.plan import (
    Associate,
    Create,
    Delete,
    Modify,
    Move,
    Step,
    Tag,
    Unassociate,
    Untag,
)

REPLAYS_BEFORE_ANEW = 10
"""Answers to a creation that name a HaVip no listing shows, before it is taken for lost."""
PARAMETERS_CHANGED = "IdempotentParameterMismatch"


def intent_of(uid: str, step: Step) -> Intent:
    """Return what a step means to achieve; two steps of the same intent are the same call.

    A creation is one intent whatever its parameters: if the object was edited after a creation
    whose answer was lost, the cloud refuses the changed call (IdempotentParameterMismatch)
    instead of making a second HaVip.
    """
    match step:
        case Create(instead_of=instead_of):
            return Intent(uid, "Create", (instead_of,))
        case Modify(ha_vip_id, name, description):
            return Intent(uid, "Modify", (ha_vip_id, name, description))
        case Associate(ha_vip_id, instance_id):
            return Intent(uid, "Associate", (ha_vip_id, instance_id))
        case Unassociate(ha_vip_id, instance_id, _, force):
            return Intent(uid, "Unassociate", (ha_vip_id, instance_id, str(force)))
        case Tag(ha_vip_id) | Untag(ha_vip_id) | Move(ha_vip_id) | Delete(ha_vip_id):
            return Intent(uid, type(step).__name__, (ha_vip_id,))


class Executor:
    """Executes the steps of one HaVip."""

    def __init__(self, uid: str) -> None:
        self._uid = uid
        self._tokens = Tokens()
        self._replays = 0

    async def execute(self, cloud: Cloud, step: Step, instance_type: InstanceType) -> None:
        """Make the call. An error whose outcome is unknown leaves the intent, and its token."""
        intent = intent_of(self._uid, step)
        token = self._tokens.of(intent)
        try:
            await self._call(cloud, step, instance_type, token)
        except HaVipError as error:
            if isinstance(step, Create) and error.code.startswith(PARAMETERS_CHANGED):
                self._count_replay(intent)
            elif not (isinstance(error, CloudError) and error.outcome_unknown):
                self._tokens.conclude(intent)
            raise
        if not isinstance(step, Create):
            self._tokens.conclude(intent)
            return
        # A creation is over when a listing shows the HaVip. Until then the same call gives the
        # same HaVip again, however late the listings are.
        self._count_replay(intent)

    def _count_replay(self, intent: Intent) -> None:
        self._replays += 1
        if self._replays >= REPLAYS_BEFORE_ANEW:
            self._tokens.conclude(intent)
            self._replays = 0

    async def _call(
        self, cloud: Cloud, step: Step, instance_type: InstanceType, token: str
    ) -> None:
        match step:
            case Create(new=new):
                await cloud.create_ha_vip(new, token)
            case Tag(ha_vip_id, tags):
                await cloud.tag(ResourceType.HA_VIP, ha_vip_id, tags)
            case Untag(ha_vip_id, keys):
                await cloud.untag(ResourceType.HA_VIP, ha_vip_id, keys)
            case Modify(ha_vip_id, name, description):
                await cloud.modify_ha_vip(ha_vip_id, name, description, token)
            case Move(ha_vip_id, group):
                await cloud.move_resource_group(ResourceType.HA_VIP, ha_vip_id, group)
            case Associate(ha_vip_id, instance_id):
                await cloud.associate(ha_vip_id, instance_id, instance_type, token)
            case Unassociate(ha_vip_id, instance_id, _, force):
                await cloud.unassociate(ha_vip_id, instance_id, instance_type, token, force=force)
            case Delete(ha_vip_id):
                await cloud.delete_ha_vip(ha_vip_id, token)
