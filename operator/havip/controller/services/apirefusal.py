"""What the API server says against a HaVip of ours, told to those whose annotation it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from havip.api.havip import HaVipSpec
from havip.controller.services.annotations import ask, full_name, parse_path
from havip.controller.services.claims import Claim, bad_annotation
from havip.controller.services.decision import RefusedSpec

PREAMBLE = re.compile(r'^Invalid value: (?:"(?:[^"\\]|\\.)*"|[^\s:]+): ')
"""What the API server puts before the sentence of a rule."""


def refused_spec(
    spec: HaVipSpec, claims: Collection[Claim], causes: Mapping[str, str], message: str
) -> RefusedSpec:
    """Say which annotations a refusal is about; ``causes`` are its words on each field."""
    asks: dict[str, str] = {}
    for claim in claims:
        if claim.objection is None:
            asks |= claim.asks
    asked = ask(asks)
    told: dict[str, str] = {}
    for field, words in causes.items():
        annotation = asked.annotation_of(parse_path(field))
        sentence = PREAMBLE.sub("", words)
        if annotation:
            refusal = bad_annotation(annotation, asks[annotation], sentence)
            told[annotation] = refusal.message
    if told:
        return RefusedSpec(spec, " ".join(told.values()), frozenset(told))
    said = "; ".join(f"{field}: {PREAMBLE.sub('', words)}" for field, words in causes.items())
    return RefusedSpec(
        spec,
        f"The HaVip that its annotations ({full_name('...')}) ask for cannot be:"
        f" {said or message}.",
    )
