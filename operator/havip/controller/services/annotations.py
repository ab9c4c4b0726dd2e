"""What a Service can ask of its HaVip: one annotation for one field of ``HaVip.spec``. Pure.

The table below is the only place that knows both names. Bounds are not repeated here: the model and
the API server judge the field, and ``Asked.annotations_of`` says which annotation it came from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from havip.api.names import SERVICE_ANNOTATION_PREFIX

Path = tuple[str, ...]
"""Names of fields, from ``spec`` on; numbers are places in a list."""

SHARE = "share"
"""The one annotation that is no field of a HaVip: the key of those that share it."""
ADDRESS = "address"
"""Said by ``spec.loadBalancerIP`` as well."""


@dataclass(frozen=True, slots=True)
class Setting:
    """An annotation, without its prefix, and the field that it stands for."""

    annotation: str
    path: Path
    read: Callable[[str], Any] = str.strip
    """Turns the text into the field's value; raises ValueError with what to write instead."""
    example: str = ""


def full_name(annotation: str) -> str:
    """Name of an annotation with its prefix."""
    return f"{SERVICE_ANNOTATION_PREFIX}{annotation}"


# -- how texts are read


def _map(text: str) -> dict[str, str]:
    """Read ``key=value,key=value``."""
    pairs = [each.partition("=") for each in _items(text)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write it as key=value,key=value")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _routes(text: str) -> list[dict[str, str]]:
    """Read ``vtb-1=10.9.0.0/16,vtb-1=10.8.0.0/16``: a table may come more than once."""
    pairs = [each.partition("=") for each in _items(text)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write it as vtb-...=10.9.0.0/16, with a comma between routes")
    return [
        {"routeTableId": table.strip(), "destination": block.strip()} for table, _, block in pairs
    ]


def _items(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _list(text: str) -> list[Any]:
    """Read a list as it stands in a HaVip, written as JSON."""
    value = _json(text)
    if not isinstance(value, list):
        raise ValueError("write it as a JSON list, as it stands in a HaVip")  # noqa: TRY004
    return value


def _object(text: str) -> dict[str, Any]:
    """Read a group of fields as it stands in a HaVip, written as JSON."""
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError("write it as a JSON object, as it stands in a HaVip")  # noqa: TRY004
    return value


def _json(text: str) -> Any:  # noqa: ANN401  (whatever the user wrote)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no JSON: {error}") from error


def _flag(text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise ValueError('write "true" or "false"')
    return text.strip().lower() == "true"


def _allocate(text: str) -> dict[str, Any]:
    if not _flag(text):
        raise ValueError('write "true", or leave it out')
    return {}


def _tcp_check(text: str) -> list[dict[str, Any]]:
    return [{"name": "tcp", "tcp": {"port": text.strip()}}]


def _http_check(text: str) -> list[dict[str, Any]]:
    port, slash, path = text.strip().partition("/")
    return [{"name": "http", "http": {"port": port, "path": slash + path or "/"}}]


SETTINGS: tuple[Setting, ...] = (
    Setting(ADDRESS, ("address",), example="10.0.0.9"),
    Setting("adopt-ha-vip-id", ("adopt", "haVipId"), example="havip-bp1abc"),
    Setting("name", ("name",), example="front-door"),
    Setting("description", ("description",), example="the shop's front door"),
    Setting("resource-group-id", ("resourceGroupId",), example="rg-acfm1"),
    Setting("tags", ("tags",), _map, "team=shop,stage=live"),
    Setting("deletion-policy", ("deletionPolicy",), example="Retain"),
    Setting("suspend", ("suspend",), _flag, "true"),
    Setting("node-selector", ("members", "nodeSelector"), _map, "edge=true"),
    Setting("tolerations", ("members", "tolerations"), _list, '[{"operator":"Exists"}]'),
    Setting("members-type", ("members", "type"), example="NetworkInterface"),
    Setting(
        "network-interface-tags", ("members", "networkInterface", "tags"), _map, "role=service"
    ),
    Setting("members-exclusive", ("members", "exclusive"), _flag, "false"),
    Setting("members-max", ("members", "max"), example="3"),
    Setting("profile", ("election", "profile"), example="Fast"),
    Setting(
        "timings",
        ("election", "timings"),
        _object,
        '{"heartbeatMillis":100,"grantMillis":400,"challengeMillis":250,"renewMillis":1000,'
        '"unmemberedMillis":5000}',
    ),
    Setting("failback", ("election", "failback"), example="WhenHealthy"),
    Setting(
        "priorities",
        ("election", "priorities"),
        _list,
        '[{"nodeSelector":{"zone":"b"},"priority":200}]',
    ),
    Setting("announce-interface", ("announce", "interface"), example="eth1"),
    Setting("announce-burst", ("announce", "burst"), example="10"),
    Setting("announce-refresh-seconds", ("announce", "refreshSeconds"), example="10"),
    Setting("health-tcp", ("health",), _tcp_check, "8080"),
    Setting("health-http", ("health",), _http_check, "8080/healthz"),
    Setting("health", ("health",), _list, '[{"name":"link","interface":{}}]'),
    Setting("eip-allocation-id", ("eip", "allocationId"), example="eip-bp1abc"),
    Setting("eip-allocate", ("eip", "allocate"), _allocate, "true"),
    Setting("eip-bandwidth-mbps", ("eip", "allocate", "bandwidthMbps"), example="20"),
    Setting(
        "eip-internet-charge-type",
        ("eip", "allocate", "internetChargeType"),
        example="PayByBandwidth",
    ),
    Setting("eip-isp", ("eip", "allocate", "isp"), example="BGP_PRO"),
    Setting("eip-public-ip-pool", ("eip", "allocate", "publicIpPool"), example="pippool-1"),
    Setting("eip-name", ("eip", "allocate", "name"), example="front-door"),
    Setting("eip-description", ("eip", "allocate", "description"), example="of the shop"),
    Setting("eip-resource-group-id", ("eip", "allocate", "resourceGroupId"), example="rg-acfm1"),
    Setting("eip-tags", ("eip", "allocate", "tags"), _map, "team=shop"),
    Setting("routes", ("routes",), _routes, "vtb-bp1abc=10.9.0.0/16"),
)

_BY_NAME = {each.annotation: each for each in SETTINGS}
KNOWN = frozenset({*_BY_NAME, SHARE})


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields that some annotations ask for, and where each of them came from."""

    spec: Mapping[str, Any]
    origins: Mapping[Path, str]

    def annotations_of(self, path: Iterable[object]) -> tuple[str, ...]:
        """Name the annotation that a field came from, or those that its parts came from."""
        given = tuple(str(each) for each in path)
        for length in range(len(given), 0, -1):
            if found := self.origins.get(given[:length]):
                return (found,)
        inside = {name: None for origin, name in self.origins.items() if _within(origin, given)}
        return tuple(inside) if given else ()


def _within(origin: Path, path: Path) -> bool:
    return origin[: len(path)] == path


class BadAnnotation(ValueError):  # noqa: N818  (a class is named after what is the case)
    """An annotation that cannot be read; ``annotation`` is its name without the prefix."""

    def __init__(self, annotation: str, message: str) -> None:
        super().__init__(message)
        self.annotation = annotation


def ask(annotations: Mapping[str, str]) -> Asked:
    """Put together what annotations, by their names without the prefix, ask for.

    Raises ``BadAnnotation``. Names that are not in the table are passed over.
    """
    spec: dict[str, Any] = {}
    origins: dict[Path, str] = {}
    for each in SETTINGS:
        if each.annotation not in annotations:
            continue
        try:
            value = each.read(annotations[each.annotation])
            _put(spec, origins, each, value)
        except ValueError as error:
            raise BadAnnotation(each.annotation, str(error)) from error
    return Asked(spec, origins)


def _put(spec: dict[str, Any], origins: dict[Path, str], setting: Setting, value: object) -> None:
    place = spec
    for name in setting.path[:-1]:
        place = place.setdefault(name, {})
    last = setting.path[-1]
    if isinstance(value, list):
        known = place.setdefault(last, [])
        for number in range(len(known), len(known) + len(value)):
            origins[*setting.path, str(number)] = setting.annotation
        known.extend(value)
    else:
        place[last] = value
        origins[setting.path] = setting.annotation


def parse_path(field: str) -> Path:
    """Read a field's name as the API server writes it, as in ``spec.health[0].tcp.port``."""
    return tuple(re.findall(r"[^.\[\]]+", field.removeprefix("spec.")))
