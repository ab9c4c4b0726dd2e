"""pyroute2's netlink without the rest of pyroute2, which would cost every node 7 MiB.

Its package imports all it has when it is imported at all: a database, DHCP, Plan 9. So for the time
of the import an empty package stands in its place, through which only the modules asked for load.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Final

_PACKAGE: Final = "pyroute2"


def _load() -> tuple[ModuleType, ModuleType, ModuleType]:
    names = ("iproute.linux", "netlink.exceptions", "netlink.rtnl")
    found = None if _PACKAGE in sys.modules else importlib.util.find_spec(_PACKAGE)
    if found is not None:
        front = ModuleType(_PACKAGE)
        front.__path__ = list(found.submodule_search_locations or ())
        sys.modules[_PACKAGE] = front
    try:
        route, exceptions, rtnl = (importlib.import_module(f"{_PACKAGE}.{name}") for name in names)
    finally:
        if found is not None:
            # Whoever imports the whole package later gets the whole.
            del sys.modules[_PACKAGE]
    return route, exceptions, rtnl


_route, _exceptions, _rtnl = _load()

AsyncIPRoute: Any = _route.AsyncIPRoute
NetlinkError: type[Exception] = _exceptions.NetlinkError
RTMGRP_IPV4_IFADDR: int = _rtnl.RTMGRP_IPV4_IFADDR
RTMGRP_LINK: int = _rtnl.RTMGRP_LINK
