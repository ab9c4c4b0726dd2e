"""A small client of the control endpoint, for tests and the lab. Synchronous."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from .faults import ANY, FaultKind, Record
from .policy import Policy
from .topology import Account


@dataclass(frozen=True)
class ControlClient:
    """Talks to the control endpoint of a simulated cloud at `endpoint` (`HOST:PORT`).

    Every method raises OSError when nobody answers, ValueError when the endpoint refuses.
    """

    endpoint: str
    timeout: float = 10.0

    def calls(self, action: str | None = None) -> list[Record]:
        """Give the calls of the API so far, or those of one action."""
        records = [Record(**each) for each in self._send("GET", "calls")["calls"]]
        return [each for each in records if action in {None, each.action}]

    def clear_calls(self) -> None:
        """Forget the calls so far."""
        self._send("DELETE", "calls")

    def fault(
        self,
        action: str,
        kind: FaultKind | str,
        *,
        count: int = 1,
        skip: int = 0,
        seconds: float = 1.0,
        code: str = "OperationConflict",
        status: int = 400,
        lasts: float | None = None,
    ) -> None:
        """Inject a fault into the next calls of an action.

        The action is a name, or `*` for any, `*read` and `*write` for any of those. With `lasts`,
        the fault strikes for so many seconds of the cloud's clock (0: until it is cleared) instead
        of `count` times.
        """
        order = {"kind": kind, "count": count, "skip": skip, "seconds": seconds}
        refusal = {"code": code, "status": status}
        self._send("POST", "faults", {"action": action, "lasts": lasts, **order, **refusal})

    def throttle_region(self, lasts: float = 0.0, retry_after: float = 1.0) -> None:
        """Throttle every call for so many seconds of the cloud's clock (0: until it is cleared)."""
        self.fault(ANY, FaultKind.THROTTLE, lasts=lasts, seconds=retry_after)

    def clear_faults(self) -> None:
        """Take back the faults that have not struck."""
        self._send("DELETE", "faults")

    def state(self) -> dict[str, Any]:
        """Give the whole state of the cloud."""
        return self._send("GET", "state")

    def ha_vips(self) -> list[dict[str, Any]]:
        """Give the HaVips of the state, oldest first."""
        found: list[dict[str, Any]] = self.state()["haVips"]
        return found

    def eips(self) -> list[dict[str, Any]]:
        """Give the EIPs of the state, oldest first."""
        found: list[dict[str, Any]] = self.state()["eips"]
        return found

    def route_entries(self, route_table_id: str) -> list[dict[str, Any]]:
        """Give the entries of a route table that are not the cloud's own, oldest first."""
        (table,) = (
            table
            for table in self.state()["routeTables"]
            if table["routeTableId"] == route_table_id
        )
        return [entry for entry in table["entries"] if not entry["system"]]

    def set_eip(self, allocation_id: str, **fields: str | bool) -> None:
        """Set what no action sets on an EIP.

        That is `charge_type`, `business_status`, `deletion_protection` and `service_managed`.
        """
        self._send("POST", "eips", {"allocation_id": allocation_id, **fields})

    def reset(self, seed: int | None = None) -> None:
        """Start anew from the topology, without calls, faults and tokens.

        With `seed`, what the cloud draws starts anew too.
        """
        self._send("POST", "reset", {"seed": seed})

    def announce(self, address: str, mac: str) -> bool:
        """Announce an address as if a NIC had done it by ARP; tells whether that counted."""
        return bool(self._send("POST", "announce", {"address": address, "mac": mac})["counted"])

    def dump(self, path: str) -> None:
        """Have the state written to a file of the server's machine."""
        self._send("POST", "dump", {"path": path})

    def add_key(self, key: Account) -> None:
        """Add an access key, or put it in the place of the one with its id."""
        self._send("POST", "keys", key.model_dump(mode="json", by_alias=True))

    def set_key_active(self, access_key_id: str, active: bool) -> None:
        """Disable an access key or enable it again."""
        self._send("PATCH", f"keys/{access_key_id}", {"active": active})

    def delete_key(self, access_key_id: str) -> None:
        """Delete an access key."""
        self._send("DELETE", f"keys/{access_key_id}")

    def set_policy(self, owner: str, policy: Policy | None) -> None:
        """Replace the policy of an account (by its id) or of a role (by its ARN)."""
        document = policy and policy.model_dump(mode="json", by_alias=True)
        self._send("POST", "policies", {"owner": owner, "policy": document})

    def healthy(self) -> bool:
        """Tell whether the server answers."""
        try:
            return bool(self._send("GET", "health")["status"] == "ok")
        except OSError:
            return False

    def _send(self, method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = HTTPConnection(self.endpoint, timeout=self.timeout)
        try:
            connection.request(
                method, f"/_control/{what}", None if body is None else json.dumps(body)
            )
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(f"{method} {what}: {response.status} {content.decode()}")
        answer: dict[str, Any] = json.loads(content)
        return answer
