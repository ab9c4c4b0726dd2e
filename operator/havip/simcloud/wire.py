"""How the RPC style of the cloud's API puts structures on the wire, read from the server's side.

A request carries everything as flat query parameters: a list of structures becomes
`Filter.1.Key`, `Filter.1.Value.1`, with indexes from 1. An answer is JSON; an error is a JSON body
with `Code` and `Message` under an HTTP status of 4xx or 5xx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Tree = dict[str, Any]
"""An unflattened level: each value is a string or another Tree (lists are still keyed "1", "2")."""


class ApiError(Exception):
    """An answer that refuses a call: the HTTP status, the cloud's error code and its sentence.

    `details` are further members of the body; `retry_after` (seconds) becomes the header
    `x-acs-retry-after`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.retry_after = retry_after


def unflatten(flat: Mapping[str, str]) -> Tree:
    """Give the structure behind flat parameters.

    A name that is used both as a value and as a structure keeps the structure: the cloud ignores
    what it cannot place.
    """
    tree: Tree = {}
    for name, value in flat.items():
        *path, leaf = name.split(".")
        level = tree
        for part in path:
            below = level.get(part)
            if not isinstance(below, dict):
                below = level[part] = {}
            level = below
        if not isinstance(level.get(leaf), dict):
            level[leaf] = value
    return tree


def _numbered(tree: object) -> Iterator[str | Tree]:
    if isinstance(tree, dict):
        for index in sorted((key for key in tree if key.isdigit()), key=int):
            yield tree[index]


class Parameters:
    """The parameters of one call, read by name. What nobody reads is ignored, as in the cloud."""

    def __init__(self, flat: Mapping[str, str]) -> None:
        self.flat = dict(flat)
        self._tree = unflatten(flat)

    def text(self, name: str, default: str = "") -> str:
        """Give a string; an absent one reads as `default`."""
        value = self._tree.get(name, default)
        return value if isinstance(value, str) else default

    def required(self, name: str) -> str:
        """Give a string that must be there, or raise MissingParameter."""
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def integer(self, name: str, default: int) -> int:
        """Give a whole number of at least 1, or raise InvalidParameter."""
        value = self.text(name)
        if not value:
            return default
        if not value.isdecimal() or int(value) < 1:
            raise invalid(name)
        return int(value)

    def flag(self, name: str) -> bool:
        """Give a boolean in any case: the Python SDK writes `True`, others `true`."""
        value = self.text(name).lower()
        if value not in {"", "true", "false"}:
            raise invalid(name)
        return value == "true"

    def texts(self, name: str) -> list[str]:
        """Give a list of strings, `Name.1`, `Name.2`, ..."""
        return [value for value in _numbered(self._tree.get(name)) if isinstance(value, str)]

    def structures(self, name: str) -> list[Parameters]:
        """Give a list of structures, `Name.1.Key`, `Name.2.Key`, ..."""
        return [
            Parameters(_flatten(value))
            for value in _numbered(self._tree.get(name))
            if isinstance(value, dict)
        ]


def missing(name: str) -> ApiError:
    """Tell that a parameter must be given."""
    return ApiError(
        400,
        "MissingParameter",
        f'The input parameter "{name}" that is mandatory for processing this request'
        " is not supplied.",
    )


def invalid(name: str) -> ApiError:
    """Tell that a parameter's value cannot be used."""
    return ApiError(400, "InvalidParameter", f"The specified parameter {name} is not valid.")


def _flatten(tree: Tree, prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
