"""STS: exchange a token or a key for temporary credentials of a role, and ask who one is."""

from __future__ import annotations

from typing import Any

from .accounts import DEFAULT_SESSION, Session, begin_session
from .calls import STS, Access, Action, Call, timestamp
from .topology import Role
from .wire import ApiError, invalid

SHORTEST_SESSION = 900
LONGEST_SESSION = 43200


def _no_permission(message: str) -> ApiError:
    return ApiError(403, "AuthenticationFail.NoPermission", message)


def _role(call: Call) -> Role:
    arn = call.parameters.required("RoleArn")
    role = call.cloud.roles.get(arn)
    if role is None:
        raise ApiError(404, "EntityNotExist.Role", f"The role not exists: {arn}.")
    return role


def _begin(call: Call, role: Role) -> dict[str, Any]:
    name = call.parameters.required("RoleSessionName")
    seconds = call.parameters.integer("DurationSeconds", int(DEFAULT_SESSION))
    if not SHORTEST_SESSION <= seconds <= LONGEST_SESSION:
        raise invalid("DurationSeconds")
    session, ends = begin_session(call.cloud, role, name, seconds, call.now)
    call.changed()
    return {
        "AssumedRoleUser": {
            "Arn": _session_arn(session),
            "AssumedRoleId": f"{role.role_id}:{name}",
        },
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "AccessKeySecret": session.access_key_secret,
            "SecurityToken": session.security_token,
            "Expiration": timestamp(ends),
        },
    }


def _assume_role_with_oidc(call: Call) -> dict[str, Any]:
    provider = call.parameters.required("OIDCProviderArn")
    token = call.parameters.required("OIDCToken")
    if all(provider != role.oidc_provider_arn for role in call.cloud.roles.values()):
        raise _no_permission("No such OIDC Provider registered.")
    role = _role(call)
    if provider != role.oidc_provider_arn:
        raise _no_permission("There is no permission.")
    if token in role.expired_oidc_tokens:
        raise ApiError(
            400, "AuthenticationFail.OIDCToken.Expired", "This JSON Web Token is expired."
        )
    if token not in role.oidc_tokens:
        raise ApiError(
            400, "AuthenticationFail.OIDCToken.Invalid", "This JSON Web Token is invalid."
        )
    return _begin(call, role)


def _assume_role(call: Call) -> dict[str, Any]:
    role = _role(call)
    if call.account.account_id not in {role.account_id, *role.trusted_accounts}:
        raise _no_permission("The role does not trust the account.")
    return _begin(call, role)


def _session_arn(session: Session) -> str:
    role = session.role_arn.replace(":role/", ":assumed-role/")
    return f"{role}/{session.session_name}"


def _get_caller_identity(call: Call) -> dict[str, Any]:
    caller = call.account
    if isinstance(caller, Session):
        role = call.cloud.roles[caller.role_arn]
        return {
            "IdentityType": "AssumedRoleUser",
            "AccountId": caller.account_id,
            "Arn": _session_arn(caller),
            "PrincipalId": f"{role.role_id}:{caller.session_name}",
            "RoleId": role.role_id,
        }
    user_id = caller.user_id or caller.account_id
    return {
        "IdentityType": "RAMUser" if caller.user else "Account",
        "AccountId": caller.account_id,
        "Arn": f"acs:ram::{caller.account_id}:{f'user/{caller.user}' if caller.user else 'root'}",
        "PrincipalId": user_id,
        "UserId": user_id,
    }


ACTIONS = (
    Action(STS, "AssumeRoleWithOIDC", _assume_role_with_oidc, changes=True, access=Access.ANYBODY),
    Action(STS, "AssumeRole", _assume_role, changes=True),
    Action(STS, "GetCallerIdentity", _get_caller_identity, access=Access.ANY_KEY),
)
