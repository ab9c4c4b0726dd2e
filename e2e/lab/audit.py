"""What each account asked of the API server, and whether its rights allowed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_RESOURCES = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})


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
    """The API server's audit log, read on from where it was read last."""

    def __init__(self, log: Path) -> None:
        """Read `log`, of which there may be nothing yet."""
        self._log = log
        self._position = 0

    def news(self, account: str) -> list[Asked]:
        """Return what a ServiceAccount, as "namespace/name", asked since this was called last."""
        user = f"system:serviceaccount:{account.replace('/', ':')}"
        return list(self._read(user))

    def _read(self, user: str) -> Iterator[Asked]:
        with self._log.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._position += len(line)
                event = json.loads(line)
                about = event.get("objectRef") or {}
                if event["user"]["username"] != user or event["verb"] not in _RESOURCES:
                    continue
                if not about.get("resource"):
                    continue  # a page such as /version
                sub = about.get("subresource")
                resource = f"{about['resource']}/{sub}" if sub else about["resource"]
                decision = event["annotations"].get("authorization.k8s.io/decision")
                yield Asked(
                    Right(about.get("apiGroup", ""), resource, event["verb"]), decision == "allow"
                )
