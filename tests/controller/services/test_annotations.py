"""One annotation for one field: what each of the table gives, and what is said against the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from havip.api.havip import HaVipSpec
from havip.controller.services.annotations import KNOWN, SETTINGS, Setting, ask
from havip.controller.services.claims import ServiceReason
from havip.controller.services.decision import refused_spec

from .pure import claim

DOCS = Path(__file__).parents[3] / "docs" / "services.md"


def value_at(spec: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        spec = spec[name]
    return spec


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: each.annotation)
def test_the_example_of_each_annotation_becomes_its_field(setting: Setting) -> None:
    assert claim(annotations={setting.annotation: setting.example}).objection is None
    asked = ask({setting.annotation: setting.example}).spec
    written = HaVipSpec.from_json({"className": "c", **asked}).to_json()
    bare = HaVipSpec.from_json({"className": "c"}).to_json()
    given = value_at(written, setting.path)
    try:
        without = value_at(bare, setting.path)
    except KeyError:
        without = None
    assert given != without


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: each.annotation)
def test_each_annotation_is_in_the_users_table_with_its_field(setting: Setting) -> None:
    row = rf"^\| `{re.escape(setting.annotation)}` \| `{re.escape('.'.join(setting.path))}"
    assert re.search(row, DOCS.read_text(), re.MULTILINE)


def test_the_users_table_has_no_annotation_that_we_do_not_know() -> None:
    table = DOCS.read_text().partition("## Annotations")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == KNOWN


@pytest.mark.parametrize(
    ("annotations", "spec"),
    [
        ({"tags": "a=b, c=d"}, {"tags": {"a": "b", "c": "d"}}),
        ({"tags": "empty="}, {"tags": {"empty": ""}}),
        (
            {"routes": "vtb-1=10.9.0.0/16,vtb-1=10.8.0.0/16"},
            {
                "routes": [
                    {"routeTableId": "vtb-1", "destination": "10.9.0.0/16"},
                    {"routeTableId": "vtb-1", "destination": "10.8.0.0/16"},
                ]
            },
        ),
        ({"health-tcp": "80"}, {"health": [{"name": "tcp", "tcp": {"port": "80"}}]}),
        (
            {"health-tcp": "80", "health-http": "81/z"},
            {
                "health": [
                    {"name": "tcp", "tcp": {"port": "80"}},
                    {"name": "http", "http": {"port": "81", "path": "/z"}},
                ]
            },
        ),
        (
            {"eip-allocate": "true", "eip-bandwidth-mbps": "20"},
            {"eip": {"allocate": {"bandwidthMbps": "20"}}},
        ),
        ({"members-max": " 3 ", "profile": "Fast"}, {
            "members": {"max": "3"}, "election": {"profile": "Fast"}
        }),
        ({"unheard-of": "1"}, {}),
    ],
)  # fmt: skip
def test_annotations_together_become_a_spec(
    annotations: dict[str, str], spec: dict[str, Any]
) -> None:
    assert ask(annotations).spec == spec


@pytest.mark.parametrize(
    ("annotations", "blamed", "words"),
    [
        ({"announce-burst": "many"}, "announce-burst", "valid integer"),
        ({"announce-burst": "99"}, "announce-burst", "less than or equal to 20"),
        ({"profile": "Hasty"}, "profile", "'Fast', 'Balanced' or 'Calm'"),
        ({"suspend": "maybe"}, "suspend", 'write "true" or "false"'),
        ({"eip-allocate": "false"}, "eip-allocate", "leave it out"),
        ({"tags": "team"}, "tags", "write it as key=value"),
        ({"routes": "10.9.0.0/16"}, "routes", "write it as vtb-"),
        ({"priorities": "{"}, "priorities", "this is no JSON"),
        ({"priorities": "{}"}, "priorities", "JSON list"),
        ({"timings": "[]"}, "timings", "JSON object"),
        ({"timings": '{"grantMillis":1}'}, "timings", "required"),
        ({"health-http": "port/x"}, "health-http", "valid integer"),
        ({"health-tcp": "80", "health-http": "99999/"}, "health-http", "65535"),
        ({"share": "Shop Front"}, "share", "lower-case letters"),
        ({"share": "-"}, "share", "lower-case letters"),
    ],
)
def test_a_value_that_cannot_be_is_told_by_its_annotation(
    annotations: dict[str, str], blamed: str, words: str
) -> None:
    objection = claim(annotations=annotations).objection
    assert objection is not None
    assert objection.reason is ServiceReason.INVALID_ANNOTATION
    assert objection.message.startswith(f"The annotation havip.dev/{blamed} ")
    assert words in objection.message


def test_two_addresses_that_differ_are_told() -> None:
    asked = claim(annotations={"address": "10.0.0.8"}, loadBalancerIP="10.0.0.9")
    assert asked.objection is not None
    assert "spec.loadBalancerIP says 10.0.0.9" in asked.objection.message
    both = claim(annotations={"address": "10.0.0.9"}, loadBalancerIP="10.0.0.9")
    assert both.objection is None


@pytest.mark.parametrize(
    ("field", "words", "told"),
    [
        (
            "spec.address",
            'Invalid value: "string": this is not an IPv4 address: give one',
            'The annotation havip.dev/address (or spec.loadBalancerIP) "x" cannot be:'
            " this is not an IPv4 address: give one.",
        ),
        (
            "spec.health[1].http.path",
            'Invalid value: "z": path must begin with /',
            'The annotation havip.dev/health-http "81/z" cannot be: path must begin with /.',
        ),
        (
            "spec.health[0].tcp.port",
            "Invalid value: 0: should be greater than or equal to 1",
            'The annotation havip.dev/health-tcp "80" cannot be:'
            " should be greater than or equal to 1.",
        ),
        (
            "spec.eip",
            'Invalid value: "object": give either allocationId or allocate',
            'The annotations havip.dev/eip-allocation-id "eip-1" with havip.dev/eip-allocate "true"'
            " cannot be: give either allocationId or allocate.",
        ),
    ],
)
def test_what_the_api_server_says_of_a_field_is_told_of_the_annotation(
    field: str, words: str, told: str
) -> None:
    asked = claim(
        annotations={
            "address": "x",
            "health-tcp": "80",
            "health-http": "81/z",
            "eip-allocation-id": "eip-1",
            "eip-allocate": "true",
        }
    )
    spec = HaVipSpec.from_json({"className": "main"})
    assert refused_spec(spec, [asked], {field: words}, "").message == told


def test_a_refusal_of_what_no_annotation_asked_for_is_told_as_it_is() -> None:
    spec = HaVipSpec.from_json({"className": "main"})
    refused = refused_spec(spec, [claim()], {"spec.tags": "Invalid value: 5: too many tags"}, "")
    assert refused.annotations == frozenset()
    assert "spec.tags: too many tags" in refused.message
