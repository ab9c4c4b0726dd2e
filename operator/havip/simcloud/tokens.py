"""ClientToken: the promise that a call made twice has its effect once.

A token that answered 200 gives that answer again. One that was refused for good keeps being
refused; one refused with a code that asks to try later may be used again. Other parameters under
the same token are a mistake of the client. No lifetime is documented, so tokens are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .wire import ApiError

MAX_LENGTH = 64

_TRY_LATER = (
    "InvalidVip.Status",
    "IncorrectHaVipStatus",
    "IncorrectInstanceStatus",
    "IncorrectStatus",
    "IncorrectEipStatus",
    "IncorrectRouteEntryStatus",
    "OperationConflict",
    "OperationFailed.DistibuteLock",
    "TaskConflict",
    "SystemBusy",
    "LastTokenProcessing",
    "Throttling",
)


@dataclass
class _Use:
    parameters: Mapping[str, str]
    answer: dict[str, Any] | ApiError | None = None
    """None while the first call is still running."""


@dataclass
class TokenStore:
    """The tokens that each account has used."""

    _uses: dict[tuple[str, str], _Use] = field(default_factory=dict)

    def begin(
        self, account_id: str, token: str, parameters: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """Claim a token for a call, or give the answer that it had.

        `parameters` have the action among them. Raises the stored refusal,
        IdempotentParameterMismatch, or LastTokenProcessing.
        """
        if len(token) > MAX_LENGTH or not token.isascii():
            raise ApiError(400, "InvalidClientToken", "The specified ClientToken is not valid.")
        use = self._uses.get((account_id, token))
        if use is None:
            self._uses[account_id, token] = _Use(parameters)
            return None
        if use.parameters != parameters:
            raise ApiError(
                400,
                "IdempotentParameterMismatch",
                "The request uses the same client token as a previous, but non-identical request.",
            )
        if use.answer is None:
            raise ApiError(
                400, "LastTokenProcessing", "The last request with this token is processing."
            )
        if isinstance(use.answer, ApiError):
            raise use.answer
        return use.answer

    def finish(self, account_id: str, token: str, answer: dict[str, Any] | ApiError) -> None:
        """Keep what the call with a claimed token was answered, or free the token."""
        later = isinstance(answer, ApiError) and (
            answer.status >= 500 or answer.code.startswith(_TRY_LATER)
        )
        if later:
            self._uses.pop((account_id, token), None)
        else:
            self._uses[account_id, token].answer = answer

    def abandon(self, account_id: str, token: str) -> None:
        """Free a token whose call ended without an effect."""
        use = self._uses.get((account_id, token))
        if use is not None and use.answer is None:
            del self._uses[account_id, token]
