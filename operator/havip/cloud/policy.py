"""The RAM policy that an access key needs, made from the table of actions."""

import json
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from havip.cloud.actions import ACTIONS, Feature


def policy_document(features: Collection[Feature]) -> dict[str, object]:
    """Return the policy that allows what these features call, and no more."""
    granted: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for action in ACTIONS.values():
        for feature in features:
            if feature in action.grants:
                granted[action.grants[feature]].add(action.permission)
    return {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(permissions), "Resource": list(resources)}
            for resources, permissions in sorted(granted.items())
        ],
    }


def to_json(features: Collection[Feature]) -> str:
    """Return the policy as the text that the RAM console takes."""
    return json.dumps(policy_document(features), indent=2) + "\n"


def write(folder: Path) -> tuple[Path, ...]:
    """Write a policy for each feature, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = tuple(folder / f"{feature}.json" for feature in Feature)
    for feature, file in zip(Feature, files, strict=True):
        file.write_text(to_json((feature,)))
    return files
