"""A RAM policy document: which actions of the API it allows and denies."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal


class Verdict(StrEnum):
    """What policies say of an action. The refusals are named as the cloud's answer names them."""

    ALLOW = "Allow"
    EXPLICIT_DENY = "ExplicitDeny"
    IMPLICIT_DENY = "ImplicitDeny"


class _Part(BaseModel):
    # What is not known, such as a condition, is refused: to ignore it would allow too much.
    model_config = ConfigDict(
        alias_generator=to_pascal, populate_by_name=True, frozen=True, extra="forbid"
    )


class Statement(_Part):
    """One rule. Actions are `product:Action`, with `*` for any text in them."""

    effect: Literal["Allow", "Deny"]
    action: str | tuple[str, ...]
    resource: str | tuple[str, ...] = "*"
    """Kept but not looked at: the rules hold for all resources of the account."""

    def covers(self, action: str) -> bool:
        """Tell whether the rule is about an action."""
        patterns = (self.action,) if isinstance(self.action, str) else self.action
        return any(fnmatchcase(action, pattern) for pattern in patterns)


class Policy(_Part):
    """The JSON document that a user writes in the RAM console."""

    version: Literal["1"] = "1"
    statement: tuple[Statement, ...]

    def verdict(self, action: str) -> Verdict:
        """Judge `product:Action`. A rule that denies wins; what no rule allows is denied."""
        effects = {rule.effect for rule in self.statement if rule.covers(action)}
        if "Deny" in effects:
            return Verdict.EXPLICIT_DENY
        return Verdict.ALLOW if effects else Verdict.IMPLICIT_DENY
