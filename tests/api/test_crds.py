"""The definitions as text; what the API server makes of them is in test_acceptance.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ConfigDict

from havip.api import crd
from havip.api.base import Model, Rule
from havip.api.havipclass import HaVipClass

FOLDER = Path(__file__).parent.parent.parent / "crds"


def every_field(schema: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield where, schema
    for name, value in schema.get("properties", {}).items():
        yield from every_field(value, f"{where}.{name}")
    if "items" in schema:
        yield from every_field(schema["items"], f"{where}[]")
    if "additionalProperties" in schema:
        yield from every_field(schema["additionalProperties"], f"{where}{{}}")


FIELDS = [
    field
    for definition in crd.DEFINITIONS
    for field in every_field(crd.structural_schema(definition.model), definition.kind)
]
OURS = [
    (where, schema)
    for where, schema in FIELDS
    if not where.endswith((".metadata", ".kind")) and not where.endswith(".apiVersion")
]


def test_the_committed_definitions_are_those_of_the_models() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert committed == crd.render(), "run `make crds` and commit what changed"


def test_writing_makes_the_folder_with_a_file_for_each_kind(tmp_path: Path) -> None:
    paths = crd.write(tmp_path / "new")
    assert {path.name: path.read_text(encoding="utf-8") for path in paths} == crd.render()


def test_what_is_written_reads_back_as_what_was_meant() -> None:
    read = [yaml.safe_load(text) for text in crd.render().values()]
    assert read == [definition.to_json() for definition in crd.DEFINITIONS]


def test_every_field_is_described() -> None:
    nameless = ("[]", "{}")
    missing = [
        where
        for where, schema in FIELDS
        if not schema.get("description") and not where.endswith((*nameless, ".metadata"))
    ]
    assert missing == []


def test_every_text_list_map_and_number_is_bounded() -> None:
    bounds = {"string": ("maxLength", "enum", "format"), "array": ("maxItems",)}
    unbounded = [
        where
        for where, schema in OURS
        if (expected := bounds.get(schema["type"])) and not any(key in schema for key in expected)
    ]
    unbounded += [
        where
        for where, schema in OURS
        if "additionalProperties" in schema and "maxProperties" not in schema
    ]
    unbounded += [
        where for where, schema in OURS if schema["type"] == "integer" and "minimum" not in schema
    ]
    assert unbounded == []


def test_every_rule_says_in_a_sentence_what_to_do() -> None:
    rules = [rule for _, schema in FIELDS for rule in schema.get("x-kubernetes-validations", [])]
    assert len(rules) > 30
    assert [rule for rule in rules if len(rule["message"].split()) < 5] == []


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("HaVip", ["ADDRESS", "HOLDER", "MEMBERS", "READY", "REASON", "AGE"]),
        ("HaVipClass", ["REGION", "VSWITCH", "READY", "REASON", "AGE"]),
        ("HaVipNode", ["INSTANCE", "VSWITCH", "ADDRESSES", "FENCE", "SEEN", "AGE"]),
    ],
)
def test_kubectl_get_shows_what_one_asks_first(kind: str, columns: list[str]) -> None:
    (definition,) = [each for each in crd.DEFINITIONS if each.kind == kind]
    assert [each.name for each in definition.columns if each.priority == 0] == columns


class Either(Model):
    """A union, which no structural schema can say."""

    value: int | str


class Misspelt(Model):
    """A keyword that the API server does not know."""

    value: dict[str, int]

    model_config = ConfigDict(json_schema_extra={"patternProperties": {}})


@pytest.mark.parametrize(
    ("model", "complaint"),
    [(Either, "Either.value: .* no unions"), (Misspelt, "patternProperties")],
)
def test_a_model_that_no_structural_schema_can_say_is_refused(
    model: type[Model], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        crd.structural_schema(model)


def test_rules_of_a_type_and_of_the_field_that_uses_it_both_count() -> None:
    v_switch = crd.structural_schema(HaVipClass)["properties"]["spec"]["properties"]["vSwitchId"]
    assert [each["rule"] for each in v_switch["x-kubernetes-validations"]] == [
        "self.startsWith('vsw-')",
        "self == oldSelf",
    ]


def test_a_rule_may_say_where_its_error_is_shown() -> None:
    assert Rule("a", "b").to_json() == {"rule": "a", "message": "b"}
    assert Rule("a", "b", ".c").to_json() == {"rule": "a", "message": "b", "fieldPath": ".c"}
