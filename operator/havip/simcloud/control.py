"""The control endpoint `/_control/`: what tests and the lab do to the cloud besides its API."""

from __future__ import annotations

import json
from dataclasses import asdict
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .accounts import set_policy
from .faults import Fault, FaultKind
from .gateway import Gateway
from .policy import Policy
from .state import state
from .topology import Account, BusinessStatus, ChargeType

Order = TypeVar("Order", bound=BaseModel)


class FaultOrder(BaseModel):
    """Body of POST /_control/faults."""

    model_config = ConfigDict(extra="forbid")

    action: str
    kind: FaultKind
    count: int = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    seconds: float = Field(default=1.0, ge=0)
    code: str = "OperationConflict"
    status: int = Field(default=400, ge=400, le=599)
    lasts: float | None = Field(default=None, ge=0)


class Announcement(BaseModel):
    """Body of POST /_control/announce: an ARP announcement as if a NIC had sent it."""

    address: IPv4Address
    mac: str


class ResetOrder(BaseModel):
    """Body of POST /_control/reset."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = None


class EipOrder(BaseModel):
    """Body of POST /_control/eips: what no action of the API sets on an EIP."""

    model_config = ConfigDict(extra="forbid")

    allocation_id: str
    charge_type: ChargeType | None = None
    business_status: BusinessStatus | None = None
    deletion_protection: bool | None = None
    service_managed: bool | None = None


class KeyChange(BaseModel):
    """Body of PATCH /_control/keys/ID."""

    model_config = ConfigDict(extra="forbid")

    active: bool


class PolicyOrder(BaseModel):
    """Body of POST /_control/policies: the owner is an account's id or a role's ARN."""

    model_config = ConfigDict(extra="forbid")

    owner: str
    policy: Policy | None = None


class DumpOrder(BaseModel):
    """Body of POST /_control/dump."""

    path: Path


class Control:
    """Routes of the control endpoint. It asks for no key: it is for loopback and the lab."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/_control/health", self._health),
            web.get("/_control/calls", self._calls),
            web.delete("/_control/calls", self._clear_calls),
            web.post("/_control/faults", self._add_fault),
            web.get("/_control/faults", self._faults),
            web.delete("/_control/faults", self._clear_faults),
            web.get("/_control/state", self._state),
            web.post("/_control/announce", self._announce),
            web.post("/_control/dump", self._dump),
            web.post("/_control/eips", self._set_eip),
            web.post("/_control/reset", self._reset),
            web.post("/_control/keys", self._add_key),
            web.patch("/_control/keys/{key}", self._change_key),
            web.delete("/_control/keys/{key}", self._delete_key),
            web.post("/_control/policies", self._set_policy),
        ]

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _calls(self, _request: web.Request) -> web.Response:
        return web.json_response({"calls": list(self._gateway.log.to_json())})

    async def _clear_calls(self, _request: web.Request) -> web.Response:
        self._gateway.log.clear()
        return web.json_response({})

    async def _add_fault(self, request: web.Request) -> web.Response:
        order = await _read(request, FaultOrder)
        self._gateway.inject(Fault(**dict(order)))
        return web.json_response({})

    async def _faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": [asdict(f) for f in self._gateway.faults.waiting]})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._gateway.faults.waiting.clear()
        return web.json_response({})

    def _settled_state(self) -> dict[str, Any]:
        return state(self._gateway.settle())

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self._settled_state())

    async def _announce(self, request: web.Request) -> web.Response:
        order = await _read(request, Announcement)
        counted = self._gateway.touch().announce(order.address, order.mac)
        return web.json_response({"counted": counted})

    async def _add_key(self, request: web.Request) -> web.Response:
        key = await _read(request, Account)
        self._gateway.cloud.accounts[key.access_key_id] = key
        return web.json_response({})

    async def _change_key(self, request: web.Request) -> web.Response:
        order = await _read(request, KeyChange)
        key = self._key(request)
        changed = key.model_copy(update={"active": order.active})
        self._gateway.cloud.accounts[key.access_key_id] = changed
        return web.json_response({})

    async def _delete_key(self, request: web.Request) -> web.Response:
        del self._gateway.cloud.accounts[self._key(request).access_key_id]
        return web.json_response({})

    def _key(self, request: web.Request) -> Account:
        name = request.match_info["key"]
        if name not in self._gateway.cloud.accounts:
            raise web.HTTPNotFound(text=f"no key {name}")
        return self._gateway.cloud.accounts[name]

    async def _set_policy(self, request: web.Request) -> web.Response:
        order = await _read(request, PolicyOrder)
        if not set_policy(self._gateway.cloud, order.owner, order.policy):
            raise web.HTTPNotFound(text=f"no account or role {order.owner}")
        return web.json_response({})

    async def _dump(self, request: web.Request) -> web.Response:
        order = await _read(request, DumpOrder)
        # A file of a few kilobytes, at a moment chosen by whoever waits for it.
        order.path.write_text(json.dumps(self._settled_state(), indent=2))
        return web.json_response({"path": str(order.path)})

    async def _set_eip(self, request: web.Request) -> web.Response:
        order = await _read(request, EipOrder)
        eip = self._gateway.touch().eips.get(order.allocation_id)
        if eip is None:
            raise web.HTTPBadRequest(text=f"there is no EIP {order.allocation_id}")
        for name, value in order.model_dump(exclude={"allocation_id"}, exclude_none=True).items():
            setattr(eip, name, value)
        return web.json_response({})

    async def _reset(self, request: web.Request) -> web.Response:
        self._gateway.reset((await _read(request, ResetOrder)).seed)
        return web.json_response({})


async def _read(request: web.Request, kind: type[Order]) -> Order:
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
