"""Check that a request is signed as ACS3-HMAC-SHA256 asks, is recent, and was not seen before."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from .topology import Account
from .wire import ApiError

ALGORITHM = "ACS3-HMAC-SHA256"
CLOCK_SKEW = 15 * 60.0
"""Seconds by which a request's date may differ from the server's clock."""

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]+)"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


@dataclass(frozen=True)
class Signed:
    """What of an HTTP request the signature covers. Header names are in lower case."""

    method: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes = b""


def sign(request: Signed, signed_headers: Sequence[str], secret: str) -> str:
    """Give the hexadecimal signature of a request.

    The query is encoded anew, for a client may send a space as `+` while it signs `%20`.
    """
    canonical = "\n".join(
        [
            request.method,
            "/",
            "&".join(
                f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted(request.query)
            ),
            *(f"{name}:{request.headers.get(name, '').strip()}" for name in signed_headers),
            "",
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        ]
    )
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


@dataclass
class Authenticator:
    """Tells whose request it is. Remembers the nonces seen while their dates are still accepted."""

    accounts: Mapping[str, Account]
    _nonces: dict[tuple[str, str], float] = field(default_factory=dict)

    def authenticate(self, request: Signed, now: float) -> Account:
        """Give the account that signed, or raise what the cloud's gateway answers.

        `now` is the server's wall clock in seconds since 1970.
        """
        key_id, signed_headers, signature = _credential(request)
        account = self.accounts.get(key_id)
        if account is None:
            raise ApiError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        if not account.active:
            raise ApiError(400, "InvalidAccessKeyId.Inactive", "The access key is disabled.")
        if request.headers.get("x-acs-security-token", "") != account.security_token:
            raise ApiError(
                400, "InvalidSecurityToken.Malformed", "The specified SecurityToken is malformed."
            )
        if account.expires_at is not None and account.expires_at <= now:
            raise ApiError(
                400, "InvalidSecurityToken.Expired", "The specified SecurityToken is expired."
            )
        _check_date(request, now)
        if not hmac.compare_digest(
            sign(request, signed_headers, account.access_key_secret), signature
        ):
            raise ApiError(
                400,
                "SignatureDoesNotMatch",
                "Specified signature does not match our calculation.",
            )
        self._use_nonce(key_id, request.headers.get("x-acs-signature-nonce", ""), now)
        return account

    def _use_nonce(self, key_id: str, nonce: str, now: float) -> None:
        if not nonce:
            raise _incomplete("x-acs-signature-nonce")
        self._forget_old_nonces(now)
        if (key_id, nonce) in self._nonces:
            raise ApiError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        self._nonces[key_id, nonce] = now

    def _forget_old_nonces(self, now: float) -> None:
        # The oldest stand first, so what is looked at is what goes, and one more.
        while self._nonces:
            oldest, at = next(iter(self._nonces.items()))
            if now - at <= 2 * CLOCK_SKEW:
                break
            del self._nonces[oldest]


def _incomplete(what: str) -> ApiError:
    return ApiError(
        400,
        "IncompleteSignature",
        f"The request signature does not conform to Aliyun standards: {what}.",
    )


def _credential(request: Signed) -> tuple[str, list[str], str]:
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", "").strip())
    if match is None:
        raise _incomplete(f"the Authorization header is not of {ALGORITHM}")
    key_id, names, signature = match.groups()
    signed_headers = names.split(";")
    # An action that the signature does not cover could be exchanged on the way.
    for name in ("host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"):
        if name in request.headers and name not in signed_headers:
            raise _incomplete(f"the header {name} is not signed")
    return key_id, signed_headers, signature


def _check_date(request: Signed, now: float) -> None:
    date = request.headers.get("x-acs-date", "")
    try:
        # The pattern first: by itself, fromisoformat takes far more than the cloud does.
        at = datetime.fromisoformat(date).timestamp() if _DATE.fullmatch(date) else None
    except ValueError:
        at = None
    if at is None:
        raise ApiError(
            400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not valid."
        )
    if abs(now - at) > CLOCK_SKEW:
        raise ApiError(
            400,
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        )
