"""What all resource models share, and how a model carries the rules the API server enforces.

A model is read leniently (unknown fields are dropped: a newer version may have written them) and
is never changed in place. Its JSON names are the camelCase forms of its Python names.

Validation has two sides. Types, bounds and defaults are pydantic's, and go into the schema of
the custom resource by themselves. What a bound cannot say is a ``Rule``: the API server enforces
it at ``kubectl apply``; reading an object does not check it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

RULES_KEY = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """A CEL expression that must hold, and the sentence that tells the user what to change.

    Used on a class (``rules``) or on a field (``Annotated[str, Rule(...)]``). An expression that
    mentions ``oldSelf`` is checked on updates only.
    """

    expression: str
    message: str
    field_path: str = ""
    """Where the error is shown, relative to the value, as in ``.spec.address``."""

    def to_json(self) -> dict[str, str]:
        """Form of an entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.expression, "message": self.message}
        return {**entry, "fieldPath": self.field_path} if self.field_path else entry

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add this rule to the schema of the field it annotates."""
        schema = dict(handler(core_schema))
        schema[RULES_KEY] = [*schema.get(RULES_KEY, []), self.to_json()]
        return schema


class Model(BaseModel):
    """Part of a custom resource."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what the Kubernetes API gave.

        Raises pydantic's ``ValidationError`` for a value that the schema would have refused.
        """
        return cls.model_validate(value)

    def to_json(self) -> dict[str, Any]:
        """Form for the Kubernetes API: camelCase names, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        if cls.rules:
            handler.resolve_ref_schema(schema)[RULES_KEY] = [rule.to_json() for rule in cls.rules]
        return schema
