"""Who may call and what: keys that come and go, sessions of roles, and rights by RAM policies."""

from __future__ import annotations

from .calls import PRODUCTS, Action
from .model import Cloud
from .policy import Policy, Verdict
from .topology import Account, Role
from .wire import ApiError

DEFAULT_SESSION = 3600.0


class Session(Account):
    """Temporary credentials of a role. The role's rights at any time are the session's."""

    role_arn: str
    session_name: str


def begin_session(
    cloud: Cloud, role: Role, name: str, seconds: float, now: float
) -> tuple[Session, float]:
    """Give credentials of a role, and when they end in seconds since 1970."""
    ends = now + (seconds if role.session_seconds is None else role.session_seconds)
    owners = (key for key in cloud.accounts.values() if key.account_id == role.account_id)
    session = Session(
        account_id=role.account_id,
        access_key_id=f"STS.{cloud.text(24)}",
        access_key_secret=cloud.text(44),
        security_token=cloud.text(120),
        expires_at=ends,
        may_create_ha_vips=all(key.may_create_ha_vips for key in owners),
        denied_actions=role.denied_actions,
        policy=role.policy,
        role_arn=role.arn,
        session_name=name,
    )
    cloud.accounts[session.access_key_id] = session
    return session, ends


def set_policy(cloud: Cloud, owner: str, policy: Policy | None) -> bool:
    """Replace the policy of an account's keys by its id, or of a role and its sessions by its ARN.

    Tells whether there is such an owner. Without a policy everything is allowed that
    `denied_actions` do not name.
    """
    changed = {"policy": policy}
    known = owner in cloud.roles
    if known:
        cloud.roles[owner] = cloud.roles[owner].model_copy(update=changed)
    for key_id, account in cloud.accounts.items():
        held_by = account.role_arn if isinstance(account, Session) else account.account_id
        if held_by == owner:
            cloud.accounts[key_id] = account.model_copy(update=changed)
            known = True
    return known


def check_rights(account: Account, action: Action) -> None:
    """Refuse an action that the caller's policy does not allow."""
    name = f"{PRODUCTS[action.version]}:{action.name}"
    verdict = account.policy.verdict(name) if account.policy is not None else Verdict.ALLOW
    if action.name in account.denied_actions:
        verdict = Verdict.IMPLICIT_DENY
    if verdict is Verdict.ALLOW:
        return
    if isinstance(account, Session):
        principal = ("AssumedRoleUser", f"{account.role_arn.split('/')[-1]}:{account.session_name}")
    else:
        principal = ("SubUser", account.user)
    raise ApiError(
        403,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource.",
        details={
            "AccessDeniedDetail": {
                "AuthAction": name,
                "AuthPrincipalType": principal[0],
                "AuthPrincipalDisplayName": principal[1],
                "AuthPrincipalOwnerId": account.account_id,
                "NoPermissionType": str(verdict),
                "PolicyType": "AccountLevelIdentityBasedPolicy",
            }
        },
    )
