"""Answers of the cloud, read with care: all that is built on is there, and as it should be.

Absent is not the same as empty. A listing that lacks its list says nothing, and must not read as
"there is none"; only what the cloud leaves out when it has nothing to say may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from havip.api.errors import Unavailable
from havip.cloud.actions import Action


@dataclass(frozen=True, slots=True)
class Part:
    """A JSON object of an answer. What is not as it should be raises ``Unavailable``."""

    action: Action
    content: Mapping[str, object]

    def malformed(self, name: str) -> Unavailable:
        """Return the error to raise for a field; a change may have been made all the same."""
        return Unavailable(
            f"{self.action.name} was answered with 200 but without a usable {name}.",
            outcome_unknown=self.action.changes,
        )

    def text(self, name: str) -> str:
        """Return a text that is there and not empty."""
        value = self.present(name)
        if not value:
            raise self.malformed(name)
        return value

    def present(self, name: str) -> str:
        """Return a text that is there, and may be empty."""
        value = self.content.get(name)
        if not isinstance(value, str):
            raise self.malformed(name)
        return value

    def optional(self, name: str) -> str:
        """Return a text, empty when it is left out."""
        return "" if self.content.get(name) is None else self.present(name)

    def number(self, name: str) -> int:
        """Return a whole number from zero on; the cloud writes some as texts."""
        value = self.content.get(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.malformed(name)
        return value

    def optional_number(self, name: str) -> int:
        """Return a whole number from zero on, zero when it is left out."""
        return self.number(name) if self.content.get(name) else 0

    def flag(self, name: str) -> bool:
        """Return whether something is so, False when it is left out; some actions say 0 or 1."""
        value = self.content.get(name)
        if value is None:
            return False
        if not isinstance(value, int) or value not in {0, 1}:
            raise self.malformed(name)
        return value == 1

    def part(self, name: str) -> "Part":
        """Return an object within."""
        value = self.content.get(name)
        if not isinstance(value, dict):
            raise self.malformed(name)
        return Part(self.action, value)

    def parts(self, outer: str, inner: str) -> list["Part"]:
        """Return the objects of a list, which the cloud puts in an object of its own."""
        return [self._as_part(each, inner) for each in self.part(outer)._list(inner)]

    def optional_parts(self, outer: str, inner: str) -> list["Part"]:
        """Return the objects of a list, none when it is left out."""
        return self.parts(outer, inner) if self.content.get(outer) else []

    def texts(self, outer: str, inner: str) -> frozenset[str]:
        """Return the texts of a list, none when it is left out."""
        if not self.content.get(outer):
            return frozenset()
        values = self.part(outer)._list(inner)
        if not all(isinstance(each, str) and each for each in values):
            raise self.malformed(inner)
        return frozenset(str(each) for each in values)

    def tags(self, key: str = "Key", value: str = "Value") -> dict[str, str]:
        """Return the tags; ECS spells their parts in another way than VPC."""
        return {each.text(key): each.optional(value) for each in self.optional_parts("Tags", "Tag")}

    def _list(self, name: str) -> list[object]:
        value = self.content.get(name)
        if not isinstance(value, list):
            raise self.malformed(name)
        return value

    def _as_part(self, value: object, name: str) -> "Part":
        if not isinstance(value, dict):
            raise self.malformed(name)
        return Part(self.action, value)
