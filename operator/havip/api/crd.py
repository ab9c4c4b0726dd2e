"""The custom resource definitions, made from the models: a model is the one source of its schema.

Kubernetes wants a *structural* schema: no references, no unions, a type at every place. Pydantic
writes general JSON schema, so the references are put in, an optional value becomes its own type,
and only what the API server knows is kept.

The rules use the CEL libraries ip, cidr and format, which Kubernetes takes in new definitions from
1.32 on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from havip.api import names
from havip.api.base import RULES_KEY, Model
from havip.api.havip import HaVip
from havip.api.havipclass import HaVipClass
from havip.api.havipnode import HaVipNode

Schema = dict[str, Any]

KEPT = (
    "type",
    "description",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    RULES_KEY,
)
"""What is taken over as it is. Anything else that a model says must be handled, or is refused."""

TRANSLATED = ("default", "properties", "required", "items", "additionalProperties")
DROPPED = ("title", "$defs")


@dataclass(frozen=True)
class Column:
    """A column that ``kubectl get`` prints; one of priority 1 is shown by ``-o wide`` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0

    def to_json(self) -> Schema:
        """Form of an entry of ``additionalPrinterColumns``."""
        column: Schema = {
            "name": self.name,
            "type": self.type,
            "jsonPath": self.path,
            "description": self.description,
        }
        return {**column, "priority": self.priority} if self.priority else column


def condition_column(name: str, condition: str, field: str, description: str) -> Column:
    """Column with a field of one of the object's conditions."""
    return Column(name, f'.status.conditions[?(@.type=="{condition}")].{field}', description)


AGE = Column("AGE", ".metadata.creationTimestamp", "When the object was made.", type="date")


@dataclass(frozen=True)
class Definition:
    """One kind of custom resource."""

    model: type[Model]
    kind: str
    plural: str
    short: str
    namespaced: bool
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """Name of the definition, as in havips.havip.dev."""
        return f"{self.plural}.{names.GROUP}"

    def to_json(self) -> Schema:
        """Return the CustomResourceDefinition."""
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.name},
            "spec": {
                "group": names.GROUP,
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": self.kind.lower(),
                    "shortNames": [self.short],
                },
                "scope": "Namespaced" if self.namespaced else "Cluster",
                "versions": [
                    {
                        "name": names.VERSION,
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "additionalPrinterColumns": [each.to_json() for each in self.columns],
                        "schema": {"openAPIV3Schema": structural_schema(self.model)},
                    }
                ],
            },
        }


DEFINITIONS = (
    Definition(
        model=HaVip,
        kind=names.HAVIP_KIND,
        plural=names.HAVIP_PLURAL,
        short=names.HAVIP_SHORT,
        namespaced=True,
        columns=(
            Column("ADDRESS", ".status.address", "The virtual IP."),
            Column("HOLDER", ".status.holder.node", "Node that owns the address."),
            Column("MEMBERS", ".status.membersSummary", "Ready and wanted members."),
            condition_column("READY", "Ready", "status", "Whether traffic is answered."),
            condition_column("REASON", "Ready", "reason", "Why it is ready, or not."),
            Column("EIP", ".status.eipAddress", "The public address.", priority=1),
            AGE,
        ),
    ),
    Definition(
        model=HaVipClass,
        kind=names.HAVIPCLASS_KIND,
        plural=names.HAVIPCLASS_PLURAL,
        short=names.HAVIPCLASS_SHORT,
        namespaced=False,
        columns=(
            Column("REGION", ".spec.region", "Region of the cloud."),
            Column("VSWITCH", ".spec.vSwitchId", "vSwitch of the addresses."),
            condition_column("READY", "Accepted", "status", "Whether the class can work."),
            condition_column("REASON", "Accepted", "reason", "Why it can, or cannot."),
            AGE,
        ),
    ),
    Definition(
        model=HaVipNode,
        kind=names.HAVIPNODE_KIND,
        plural=names.HAVIPNODE_PLURAL,
        short=names.HAVIPNODE_SHORT,
        namespaced=False,
        columns=(
            Column("INSTANCE", ".status.instanceId", "The node's instance in the cloud."),
            Column("VSWITCH", ".status.vSwitchId", "vSwitch of the instance."),
            # Of a path into a list only the first match is printed, so the list itself is shown.
            Column("ADDRESSES", ".status.kernelAddresses", "Virtual IPs that it has now."),
            Column("FENCE", ".status.fence", "How exactly the kernel ends an ownership."),
            Column("SEEN", ".status.heartbeatAt", "When the agent last wrote.", type="date"),
            Column("VERSION", ".status.agentVersion", "Version of the agent.", priority=1),
            AGE,
        ),
    ),
)


def structural_schema(model: type[Model]) -> Schema:
    """Return the structural schema of a custom resource.

    Raises TypeError when the model says something that a structural schema cannot.
    """
    written = model.model_json_schema(by_alias=True, mode="validation")
    schema = _structural(written, written.get("$defs", {}), model.__name__)
    properties: Schema = schema["properties"]
    properties["apiVersion"] = {
        "type": "string",
        "description": "Version of the schema of this object.",
    }
    properties["kind"] = {"type": "string", "description": "Kind of the resource."}
    properties["metadata"] = {"type": "object"}
    # What nobody has written yet must not be made up.
    properties["status"].pop("default", None)
    schema["required"] = [name for name in schema.get("required", []) if name != "metadata"]
    if not schema["required"]:
        del schema["required"]
    return schema


def _structural(written: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Schema:
    node = _resolved(written, definitions, where)
    if unknown := set(node) - {*KEPT, *TRANSLATED, *DROPPED}:
        raise TypeError(f"{where}: a structural schema has no {', '.join(sorted(unknown))}")
    if "type" not in node:
        raise TypeError(f"{where}: a structural schema needs one type here")

    schema = {key: node[key] for key in KEPT if key in node}
    if "description" in schema:
        schema["description"] = " ".join(schema["description"].split())
    if node["type"] == "integer":
        schema["format"] = "int64"
    if (default := _default(node)) is not None:
        schema["default"] = default
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions, f"{where}[]")
    if "additionalProperties" in node:
        schema["additionalProperties"] = _structural(
            node["additionalProperties"], definitions, f"{where}{{}}"
        )
    if "properties" in node:
        schema["properties"] = {
            name: _structural(value, definitions, f"{where}.{name}")
            for name, value in node["properties"].items()
        }
        if node.get("required"):
            schema["required"] = node["required"]
    return schema


def _resolved(written: Mapping[str, Any], definitions: Mapping[str, Any], where: str) -> Schema:
    """Put in what a reference or an optional value stands for; the field's own words win."""
    node = dict(written)
    if "anyOf" in node:
        wanted = [each for each in node.pop("anyOf") if each.get("type") != "null"]
        if len(wanted) != 1:
            raise TypeError(f"{where}: a structural schema has no unions")
        node = _merged(wanted[0], node)
    if "$ref" in node:
        target = definitions[node.pop("$ref").rsplit("/", 1)[-1]]
        return _resolved(_merged(target, node), definitions, where)
    return node


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Schema:
    merged = {**below, **above}
    if rules := [*below.get(RULES_KEY, []), *above.get(RULES_KEY, [])]:
        merged[RULES_KEY] = rules
    return merged


def _default(node: Mapping[str, Any]) -> object:
    """Return the default to write, or None.

    An object's default is empty, since the API server then fills in those of its fields. An empty
    text, list or map is not written: it means the same as absence.
    """
    default = node.get("default")
    if isinstance(default, dict) and "properties" in node:
        return {}
    return default if default or isinstance(default, bool | int) else None


def render() -> dict[str, str]:
    """Return the text of each file of ``crds/`` by its name."""
    import yaml  # noqa: PLC0415  (not with the models: an agent reads them and needs no YAML)

    return {
        f"{each.name}.yaml": yaml.safe_dump(
            each.to_json(), sort_keys=False, width=100, allow_unicode=True
        )
        for each in DEFINITIONS
    }


def write(folder: Path) -> list[Path]:
    """Write the definitions into this folder and return the files' paths.

    A file of ours that is no longer rendered is not deleted. Raises OSError as files do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in render().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
