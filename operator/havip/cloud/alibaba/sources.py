"""Temporary keys: of an instance's RAM role, of a service account's (RRSA), or what there is.

Without a choice the order is: a key in the environment, RRSA, the instance's role. This is the
order of the official library, whose own chain is not used: it gives up a key that still works when
one renewal fails, and it keeps a thread for a metadata service that nobody asks.
"""

# ruff: noqa: ANN401 -- the SDK has no types; they begin where its answers become keys.

import calendar
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_credentials.provider import EcsRamRoleCredentialsProvider
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from havip.api.conditions import Reason
from havip.api.errors import CredentialsRefused, HaVipError, NotFound, Throttled, Unavailable
from havip.api.havipclass import EcsRamRole, Oidc
from havip.cloud.alibaba.connection import Timeouts
from havip.cloud.credentials import Credentials, CredentialSource, Renewed, TemporaryKey

SESSION_NAME = "havip-operator"
SESSION_SECONDS = 3600

# What it says with tracebacks is raised as well.
logging.getLogger("credentials").setLevel(logging.CRITICAL)


def source_of(
    way: EcsRamRole | Oidc | None,
    sts: str,
    protocol: str,
    environment: Mapping[str, str] = os.environ,
) -> CredentialSource:
    """Return the source for a way to show who one is; None takes what there is.

    ``sts`` is the host of the STS API.
    """
    match way:
        case EcsRamRole(role_name=role_name):
            return Renewed(lambda: of_instance(role_name or ""))
        case Oidc():
            return Renewed(lambda: of_service_account(way, sts, protocol))
    return _whatever_there_is(sts, protocol, environment)


def _whatever_there_is(sts: str, protocol: str, environment: Mapping[str, str]) -> CredentialSource:
    key_id, secret, token = (
        environment.get(f"ALIBABA_CLOUD_{each}", "")
        for each in ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
    )
    if key_id and secret:
        return Credentials(key_id, secret, token)
    role, provider, file = (
        environment.get(f"ALIBABA_CLOUD_{each}", "")
        for each in ("ROLE_ARN", "OIDC_PROVIDER_ARN", "OIDC_TOKEN_FILE")
    )
    if role and provider and file:
        rrsa = Oidc(role_arn=role, oidc_provider_arn=provider, token_file=file)
        return Renewed(lambda: of_service_account(rrsa, sts, protocol))

    def of_own_instance() -> TemporaryKey:
        try:
            return of_instance(environment.get("ALIBABA_CLOUD_ECS_METADATA", ""))
        except HaVipError as error:
            raise NotFound(
                "The controller has no credentials of its own: set spec.credentials of the"
                f" HaVipClass, or give the controller RRSA or its instance a RAM role. {error}",
                reason=Reason.CREDENTIALS_MISSING,
            ) from error

    return Renewed(of_own_instance)


def of_instance(role_name: str) -> TemporaryKey:
    """Ask the metadata service for a key of a role; an empty name takes the instance's one."""
    try:
        # A provider anew for each key: it has a cache with rules of its own.
        found = EcsRamRoleCredentialsProvider(
            role_name=role_name or None, async_update_enabled=False
        ).get_credentials()
    except CredentialException as error:
        role = f"the RAM role {role_name}" if role_name else "a RAM role"
        raise CredentialsRefused(
            f"The controller's instance does not have {role}: attach it. The metadata service"
            f" says: {error}",
            reason=Reason.CREDENTIALS_MISSING,
        ) from error
    except Exception as error:
        raise Unavailable(f"The metadata service gives no key: {error}") from error
    credentials = _credentials(
        found.get_access_key_id(), found.get_access_key_secret(), found.get_security_token()
    )
    return TemporaryKey(credentials, float(found.get_expiration()))


def of_service_account(rrsa: Oidc, sts: str, protocol: str) -> TemporaryKey:
    """Assume a role with the service account's token, which is read anew: it is replaced often."""
    try:
        token = Path(rrsa.token_file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise NotFound(
            f"The service account's token cannot be read from {rrsa.token_file}: mount it into"
            " the controller's pod (audience sts.aliyuncs.com).",
            reason=Reason.CREDENTIALS_MISSING,
        ) from error
    try:
        body = _assume_role(rrsa, token, sts, protocol)
        given = body["Credentials"]
        credentials = _credentials(
            given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"]
        )
        ends = time.strptime(given["Expiration"], "%Y-%m-%dT%H:%M:%SZ")
    except AlibabaCloudException as error:
        raise _refused(rrsa, error, token) from error
    except HaVipError:
        raise
    except Exception as error:
        raise Unavailable(f"STS gives no key: {type(error).__name__}") from error
    return TemporaryKey(credentials, float(calendar.timegm(ends)))


def _assume_role(rrsa: Oidc, token: str, sts: str, protocol: str) -> Any:
    client = Client(
        Config(
            endpoint=sts,
            protocol=protocol,
            connect_timeout=Timeouts().connect_millis,
            read_timeout=Timeouts().read_millis,
            user_agent="havip-operator",
        )
    )
    answer = client.call_api(
        Params(
            action="AssumeRoleWithOIDC",
            version="2015-04-01",
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type="Anonymous",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        ),
        # In the body, since errors and proxies show URLs.
        OpenApiRequest(
            body={
                "RoleArn": rrsa.role_arn,
                "OIDCProviderArn": rrsa.oidc_provider_arn,
                "OIDCToken": token,
                "RoleSessionName": SESSION_NAME,
                "DurationSeconds": str(SESSION_SECONDS),
            }
        ),
        RuntimeOptions(),
    )
    return answer["body"]


def _refused(rrsa: Oidc, error: AlibabaCloudException, token: str) -> HaVipError:
    code = str(error.code or "")
    told = f"{code}: {error.message}".replace(token, "(the token)")
    if "Throttling" in code:
        return Throttled(f"STS says to AssumeRoleWithOIDC: {told}", code=code)
    if int(error.status_code or 400) >= 500:
        return Unavailable(f"STS says to AssumeRoleWithOIDC: {told}", code=code)
    return CredentialsRefused(
        f"The role {rrsa.role_arn} cannot be assumed: correct spec.credentials.oidc of the"
        " HaVipClass or the role's trust policy (issuer, audience, service account). STS says to"
        f" AssumeRoleWithOIDC: {told}",
        code=code,
        request_id=str(error.request_id or ""),
    )


def _credentials(*texts: Any) -> Credentials:
    if not all(isinstance(each, str) and each for each in texts):
        raise Unavailable("The temporary key that was given is not whole.")
    return Credentials(*texts)
