"""Where access keys come from. A source is asked before every call, so that keys may change."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from havip.api.errors import HaVipError, Unavailable

log = logging.getLogger(__name__)

EARLY_SECONDS = 900.0
"""How long before its end a temporary key is renewed; a third of its life if that is less."""
RENEW_AGAIN_SECONDS = 60.0
"""Pause after a renewal that failed while the old key still works."""
FAILED_SECONDS = 5.0
"""For how long a failure is the answer to all who ask, when there is no key that works."""


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


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A key with an end."""

    credentials: Credentials
    expires_at: float
    """In seconds since 1970."""


class Renewed:
    """Temporary keys, each renewed well before its end in the thread of a caller.

    One caller renews; the others go on with the old key meanwhile. Where the renewal fails the
    old key is used to its very end. ``fetch`` gets a new key and raises what ``current`` may.
    """

    def __init__(
        self, fetch: Callable[[], TemporaryKey], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._renewing = threading.Lock()
        self._key: TemporaryKey | None = None
        self._renewed_at = self._renew_at = float("-inf")
        self._failure: HaVipError | None = None
        self._failed_until = float("-inf")

    def current(self) -> Credentials:
        """Return the key to use now."""
        key = self._usable()
        if key is not None and self._clock() < self._renew_at:
            return key
        # Without a key that works there is nothing to do but wait for who renews.
        if not self._renewing.acquire(blocking=key is None) and key is not None:
            return key
        try:
            return self._renew()
        finally:
            self._renewing.release()

    def discard(self) -> None:
        """Take note that the key is refused. A young one is kept: another would be no better."""
        if self._key is not None and self._clock() - self._renewed_at >= RENEW_AGAIN_SECONDS:
            self._key = None

    def _usable(self) -> Credentials | None:
        key = self._key
        return key.credentials if key and self._clock() < key.expires_at else None

    def _renew(self) -> Credentials:
        now = self._clock()
        key = self._usable()
        if key is not None and now < self._renew_at:
            return key  # another caller renewed it while this one came
        if key is None and self._failure is not None and now < self._failed_until:
            raise self._failure.with_traceback(None)
        try:
            new = self._fetch()
            if new.expires_at <= now:
                raise Unavailable("The temporary key that was given has expired already.")
        except HaVipError as error:
            if key is None:
                self._failure, self._failed_until = error, self._clock() + FAILED_SECONDS
                raise
            log.warning("A temporary key cannot be renewed, the old one goes on: %s", error)
            self._renew_at = now + RENEW_AGAIN_SECONDS
            return key
        self._key, self._renewed_at = new, now
        early = min(EARLY_SECONDS, (new.expires_at - now) / 3)
        self._renew_at = max(new.expires_at - early, now + min(RENEW_AGAIN_SECONDS, early))
        return new.credentials


class Held:
    """A source that can be replaced by another while calls are under way."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def replace(self, source: CredentialSource) -> bool:
        """Take keys from this source from now on; tells whether it is another one."""
        changed = self._source != source
        self._source = source
        return changed

    def current(self) -> Credentials:
        """Return the key of the source held now."""
        return self._source.current()

    def discard(self) -> None:
        """Take note that the key is refused: one that can be renewed is, though it has not ended.

        That is so when a role's sessions were revoked.
        """
        if isinstance(self._source, Renewed):
            self._source.discard()
