"""What each account asked of the API server, and whether its rights allowed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, order=True)
class Right:
    """To do something to a kind of resource, in the terms of a rule of RBAC."""

    group: str
    resource: str
    """With its subresource, as in havips/status."""
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


@dataclass(frozen=True)
class Asked:
    """A request, and the answer to whether it was allowed."""

    right: Right
    allowed: bool


class Audit:
    """What one account asked, read on from where it was read last."""

    def __init__(self, log: Path, account: str) -> None:
        """Read the API server's `log` for a ServiceAccount, given as "namespace/name"."""
        self._log = log
        self._user = f"system:serviceaccount:{account.replace('/', ':')}"
        self._position = 0

    def news(self) -> list[Asked]:
        """Return what was asked since this was called last."""
        with self._log.open("rb") as file:
            file.seek(self._position)
            # The last one may be in the middle of being written.
            *lines, unfinished = file.read().split(b"\n")
            self._position = file.tell() - len(unfinished)
        return list(filter(None, (self._read(json.loads(line)) for line in lines)))

    def _read(self, event: Mapping[str, Any]) -> Asked | None:
        about = event.get("objectRef") or {}
        # Without a resource it is about a page such as /version.
        if event["user"]["username"] != self._user or "resource" not in about:
            return None
        sub = about.get("subresource")
        resource = f"{about['resource']}/{sub}" if sub else about["resource"]
        right = Right(about.get("apiGroup", ""), resource, event["verb"])
        return Asked(right, event["annotations"]["authorization.k8s.io/decision"] == "allow")
