"""Access keys in Secrets, read at need: the controller may then read no other.

A Secret is not watched but read again once in a while, so a key is rotated by writing the Secret.
"""

import asyncio
import base64
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from havip.api import names
from havip.api.conditions import Reason
from havip.api.errors import NotFound, UserError
from havip.cloud.credentials import Credentials
from havip.controller.kube import Kube

FRESH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SecretName:
    """Which Secret."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"the Secret {self.name} in namespace {self.namespace}"


class Secrets:
    """The Secrets read so far; ``fresh`` is for how many seconds one is not read again."""

    def __init__(
        self,
        kube: Kube,
        fresh: float = FRESH_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._fresh = fresh
        self._known: dict[SecretName, tuple[float, Credentials]] = {}
        # All objects of a class ask at once after a start; one of them reads the Secret.
        self._locks: defaultdict[SecretName, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def read(self, secret: SecretName) -> Credentials:
        """Return the key in a Secret.

        Raises ``UserError`` (reason CredentialsMissing) where there is none.
        """
        async with self._locks[secret]:
            read_at, credentials = self._known.get(secret, (float("-inf"), None))
            if credentials is None or self._clock() - read_at >= self._fresh:
                path = f"/api/v1/namespaces/{secret.namespace}/secrets/{secret.name}"
                body = await self._kube.get(path)
                credentials = _credentials(secret, body and (body.get("data") or {}))
                self._known[secret] = (self._clock(), credentials)
            return credentials


def _credentials(secret: SecretName, data: dict[str, str] | None) -> Credentials:
    if data is None:
        raise NotFound(
            f"There are no credentials: create {secret}.", reason=Reason.CREDENTIALS_MISSING
        )
    try:
        texts = {key: base64.b64decode(value).decode().strip() for key, value in data.items()}
    except ValueError:
        # The error of the decoder quotes what it could not decode.
        raise UserError(
            f"{secret} is not text: write it anew.", reason=Reason.CREDENTIALS_MISSING
        ) from None
    missing = [
        key
        for key in (names.SECRET_ACCESS_KEY_ID, names.SECRET_ACCESS_KEY_SECRET)
        if not texts.get(key)
    ]
    if missing:
        raise NotFound(
            f"{secret} lacks {' and '.join(missing)}: add it.", reason=Reason.CREDENTIALS_MISSING
        )
    return Credentials(
        texts[names.SECRET_ACCESS_KEY_ID],
        texts[names.SECRET_ACCESS_KEY_SECRET],
        texts.get(names.SECRET_SECURITY_TOKEN, ""),
    )
