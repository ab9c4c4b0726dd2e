"""The instance metadata service: what an instance learns of itself, with or without a token."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from .accounts import Session, begin_session
from .calls import timestamp
from .machines import Instance
from .model import Cloud
from .topology import Role

TTL_HEADER = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aliyun-ecs-metadata-token"  # noqa: S105
MAX_TTL = 21600
ROLE_SESSION = 6 * 3600.0
"""Seconds that the credentials of an instance's role last."""


@dataclass
class Metadata:
    """Answers as (HTTP status, text). Time is in seconds since 1970."""

    cloud: Cloud
    _tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By token: the instance it was given to and when it ends."""
    _sessions: dict[str, tuple[Session, float, float]] = field(default_factory=dict)
    """By instance: the credentials of its role, when they began and when they end."""

    def instance_at(self, address: str) -> Instance | None:
        """Give the instance that has an address as the primary one of its interface."""
        return next(
            (i for i in self.cloud.instances.values() if str(i.primary.address) == address), None
        )

    def new_token(self, instance: Instance | None, ttl: str, now: float) -> tuple[int, str]:
        """Answer PUT /latest/api/token; `ttl` is the text of its header, in seconds."""
        if instance is None:
            return 404, "no such instance"
        if not ttl.isdecimal() or not 1 <= int(ttl) <= MAX_TTL:
            return 400, f"{TTL_HEADER} must be from 1 to {MAX_TTL}"
        token = secrets.token_urlsafe(32)
        self._tokens = {t: use for t, use in self._tokens.items() if use[1] > now}
        self._tokens[token] = (instance.instance_id, now + int(ttl))
        return 200, token

    def read(self, instance: Instance | None, path: str, token: str, now: float) -> tuple[int, str]:
        """Answer GET below /latest/. A folder answers with the names in it."""
        if instance is None:
            return 404, "no such instance"
        if token:
            owner, ends = self._tokens.get(token, ("", 0.0))
            if owner != instance.instance_id or ends <= now:
                return 401, "the token is not valid"
        elif instance.require_metadata_token:
            return 403, "a token is required"
        node: Any = {"meta-data": self._tree(instance)}
        for part in path.strip("/").split("/"):
            if part:
                node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, Role):
            return 200, self._credentials(instance, node, now)
        if node is None:
            return 404, "not found"
        if isinstance(node, dict):
            return 200, "\n".join(
                f"{name}/" if isinstance(below, dict) else name for name, below in node.items()
            )
        return 200, str(node)

    def _tree(self, instance: Instance) -> dict[str, Any]:
        cloud, primary = self.cloud, instance.primary
        switch = cloud.v_switches[instance.v_switch_id]
        vpc = cloud.vpcs[switch.vpc_id]
        anybody = next((key.account_id for key in cloud.accounts.values()), "")
        owner = vpc.account_id or anybody
        role = cloud.roles.get(instance.ram_role)
        macs = {}
        for card in cloud.interfaces_of(instance.instance_id):
            home = cloud.v_switches[card.v_switch_id]
            macs[card.mac] = {
                "gateway": str(home.cidr_block[-3]),
                "netmask": str(home.cidr_block.netmask),
                "network-interface-id": card.network_interface_id,
                "primary-ip-address": str(card.address),
                "private-ipv4s": json.dumps([str(card.address)]),
                "vpc-cidr-block": str(vpc.cidr_block),
                "vpc-id": vpc.vpc_id,
                "vswitch-cidr-block": str(home.cidr_block),
                "vswitch-id": home.v_switch_id,
            }
        return {
            "hostname": instance.name,
            "instance-id": instance.instance_id,
            "mac": primary.mac,
            "network": {"interfaces": {"macs": macs}},
            "owner-account-id": owner,
            "private-ipv4": str(primary.address),
            "region-id": cloud.region,
            **({"ram": {"security-credentials": {role.name: role}}} if role else {}),
            "vpc-cidr-block": str(vpc.cidr_block),
            "vpc-id": vpc.vpc_id,
            "vswitch-cidr-block": str(switch.cidr_block),
            "vswitch-id": switch.v_switch_id,
            "zone-id": switch.zone_id,
        }

    def _credentials(self, instance: Instance, role: Role, now: float) -> str:
        """Give the role's credentials: new ones once the last are half through, or deleted."""
        found = self._sessions.get(instance.instance_id)
        if (
            found is None
            or found[0].access_key_id not in self.cloud.accounts
            or now >= (found[1] + found[2]) / 2
        ):
            session, ends = begin_session(self.cloud, role, instance.instance_id, ROLE_SESSION, now)
            found = self._sessions[instance.instance_id] = (session, now, ends)
        session, began, ends = found
        return json.dumps(
            {
                "AccessKeyId": session.access_key_id,
                "AccessKeySecret": session.access_key_secret,
                "Expiration": timestamp(ends),
                "SecurityToken": session.security_token,
                "LastUpdated": timestamp(began),
                "Code": "Success",
            }
        )
