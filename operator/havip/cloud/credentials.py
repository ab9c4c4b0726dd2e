"""Where access keys come from. A source is asked before every call, so that keys may change."""

from dataclasses import dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, with a security token when it is a temporary one.

    A key that never changes is a source by itself.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, ...)"

    def current(self) -> Self:
        """Return the key."""
        return self


class CredentialSource(Protocol):
    """Gives the key to use now."""

    def current(self) -> Credentials:
        """Return a key that is valid now. May wait for the network: called in worker threads.

        Raises ``CredentialsRefused`` when there is none and somebody must see to it,
        ``Unavailable`` when who gives them does not answer.
        """
