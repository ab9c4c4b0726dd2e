"""Loads the SDK's models one by one, when they are asked for.

A product's package of models imports all of them, more than a thousand modules, of which we need
a handful: 30 MiB and 0.3 s of each start for the two products.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

_EXPORT = re.compile(r"^from (\.\w+) import (\w+)$", re.MULTILINE)


def load_on_demand(package: str) -> None:
    """Have a package that only gathers names from its modules import each when it is asked for.

    A package that is loaded already, or whose source does not name its modules in as many lines,
    is left as it is.
    """
    spec = None if package in sys.modules else importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return
    homes = {name: module for module, name in _EXPORT.findall(Path(spec.origin).read_text())}
    if not homes:
        return
    front = importlib.util.module_from_spec(spec)

    def look_up(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name], package), name)

    front.__dict__["__getattr__"] = look_up
    sys.modules[package] = front
