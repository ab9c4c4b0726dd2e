"""ClientTokens: one intent, one token.

The token of an intent is derived, not stored, so a controller that crashed after sending a call
sends the very same call again and the cloud answers with the first result. A definitive answer
ends the intent: the next try is another generation, because the cloud keeps repeating the first
answer to an old token. Generations live in memory only. Starting again from zero is harmless: an
old success is given again and then seen to be so (or not) by a describe, an old refusal is given
again and moves on to the next generation.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intent:
    """One change wanted of the cloud, for one object."""

    uid: str
    action: str
    content: tuple[str, ...] = ()


def client_token(intent: Intent, generation: int) -> str:
    """Return the token of an intent: 64 hexadecimal digits, the most the cloud takes."""
    parts = (intent.uid, intent.action, *intent.content, str(generation))
    spelt = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(spelt.encode()).hexdigest()


class Tokens:
    """The generations of the intents of one object."""

    def __init__(self) -> None:
        self._generations: Counter[Intent] = Counter()

    def of(self, intent: Intent) -> str:
        """Return the token to send: the same one until the intent is concluded."""
        return client_token(intent, self._generations[intent])

    def conclude(self, intent: Intent) -> None:
        """Take note of a definitive answer, good or bad."""
        self._generations[intent] += 1
