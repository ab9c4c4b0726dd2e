"""pyroute2's netlink. The rest of pyroute2 is a database, DHCP, Plan 9 and more."""

from __future__ import annotations

from typing import Any

from havip.agent.lean import parts_of

_route, _exceptions, _rtnl = parts_of(
    "pyroute2", "iproute.linux", "netlink.exceptions", "netlink.rtnl"
)

AsyncIPRoute: Any = _route.AsyncIPRoute
NetlinkError: type[Exception] = _exceptions.NetlinkError
RTMGRP_IPV4_IFADDR: int = _rtnl.RTMGRP_IPV4_IFADDR
RTMGRP_LINK: int = _rtnl.RTMGRP_LINK
