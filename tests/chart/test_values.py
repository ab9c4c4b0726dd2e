"""Values that cannot work are refused before anything is made, with the key that is wrong."""

import json
import re
from typing import Any

import pytest
import yaml

from lab import chart

# What is given, and where the message says it is wrong.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"agents": {}}, "additional properties 'agents' not allowed"),
    ({"agent": {"perrPort": 9494}}, "at '/agent': additional properties 'perrPort' not allowed"),
    ({"agent": {"peerPort": 99999}}, "at '/agent/peerPort': maximum"),
    ({"agent": {"peerPort": "9494"}}, "at '/agent/peerPort': got string, want integer"),
    ({"agent": {"stateDir": "/var"}}, "at '/agent/stateDir'"),
    ({"agent": {"metadataEndpoint": "100.100.100.200"}}, "at '/agent/metadataEndpoint'"),
    ({"agent": {"tolerations": [{"effect": "Never"}]}}, "at '/agent/tolerations/0/effect'"),
    ({"clusterId": "my cluster"}, "at '/clusterId'"),
    ({"controller": {"replicas": 0}}, "at '/controller/replicas': minimum"),
    ({"controller": {"port": 80}}, "at '/controller/port': minimum"),
    ({"controller": {"logLevel": "LOUD"}}, "at '/controller/logLevel'"),
    ({"controller": {"driftInterval": 0}}, "at '/controller/driftInterval': minimum"),
    ({"controller": {"resources": {"memory": "1Gi"}}}, "at '/controller/resources'"),
    ({"credentials": {"secretNames": ["A_B"]}}, "at '/credentials/secretNames/0'"),
    ({"heartbeatKey": {"existingSecret": "My Key"}}, "at '/heartbeatKey/existingSecret'"),
    ({"image": {"agent": {"name": "Agent"}}}, "at '/image/agent/name'"),
    ({"image": {"agent": {"digest": "md5:1"}}}, "at '/image/agent/digest'"),
    ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy'"),
    ({"monitoring": {"enabled": "perhaps"}}, "at '/monitoring/enabled'"),
    ({"monitoring": {"interval": "15"}}, "at '/monitoring/interval'"),
    ({"monitoring": {"interval": "30s1m"}}, "at '/monitoring/interval'"),
    ({"networkPolicy": {"egressPorts": []}}, "at '/networkPolicy/egressPorts': minItems"),
    ({"rrsa": {"roleArn": "acs:ram::1:role/a"}}, "at '/rrsa/enabled'"),
    ({"rrsa": {"enabled": True, "roleArn": "acs:ram::1:role/a"}}, "at '/rrsa/oidcProviderArn'"),
    ({"rrsa": {"enabled": True, "roleArn": "havip"}}, "at '/rrsa/roleArn'"),
    ({"simcloud": {"enabled": True, "cidr": "10.0.0.0/24"}}, "at '/simcloud/node'"),
    ({"simcloud": {"enabled": True, "node": "n1"}}, "at '/simcloud/cidr'"),
    ({"uninstall": {"force": "yes"}}, "at '/uninstall/force': got string, want boolean"),
]


@pytest.mark.parametrize(("values", "complaint"), WRONG, ids=[text for _, text in WRONG])
def test_a_wrong_value_is_refused_with_its_key(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(chart.ChartError, match=re.escape(complaint)):
        chart.render(values)


def test_every_value_is_in_the_schema_and_has_a_description() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    schema = json.loads((chart.CHART / "values.schema.json").read_text())
    described = (chart.CHART / "README.md").read_text()
    unknown = []

    def walk(given: dict[str, Any], known: dict[str, Any], path: str) -> None:
        if reference := known.get("$ref"):
            known = schema["definitions"][reference.rpartition("/")[2]]
        for key, value in given.items():
            here = f"{path}{key}"
            if key not in known.get("properties", {}):
                unknown.append(here)
            elif isinstance(value, dict) and known["properties"][key].get("properties"):
                walk(value, known["properties"][key], f"{here}.")
            elif f"| {here} |" not in described and not isinstance(value, dict):
                unknown.append(f"{here} (README.md)")

    walk(values, schema, "")
    assert unknown == []


def test_the_sections_of_the_schema_allow_no_unknown_key() -> None:
    schema = json.loads((chart.CHART / "values.schema.json").read_text())

    loose = [
        name
        for name, section in schema["properties"].items()
        if section.get("type") == "object"
        and name != "global"
        and section.get("additionalProperties") is not False
    ]

    assert loose == []


def test_a_simulated_cloud_on_an_unknown_node_says_what_to_give() -> None:
    with pytest.raises(chart.ChartError, match=r"simcloud\.address: there is no node \"n1\""):
        chart.render({"simcloud": {"enabled": True, "node": "n1", "cidr": "10.0.0.0/24"}})
