"""The SDK's own provider of an instance's role, at the one address that it knows."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from havip.simcloud.policy import Policy, Statement
from havip.simcloud.topology import Role, sample

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

ROOT = Path(__file__).parents[2]
NAMESPACE = f"sim{os.getpid()}-imds"
METADATA = "100.100.100.200"
NODE = "10.77.0.11"

PROVIDE = """
import json
from alibabacloud_credentials.client import Client
from alibabacloud_credentials.models import Config as CredentialConfig
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models
from alibabacloud_vpc20160428.client import Client as VpcClient

credential = Client(CredentialConfig(type="ecs_ram_role", disable_imds_v1=True))
given = credential.get_credential()
vpc = VpcClient(Config(credential=credential, endpoint="100.100.100.200", protocol="http"))
seen = vpc.describe_ha_vips(models.DescribeHaVipsRequest(region_id="cn-hangzhou")).body
try:
    vpc.delete_ha_vip(models.DeleteHaVipRequest(region_id="cn-hangzhou", ha_vip_id="havip-1"))
    code = ""
except Exception as error:
    code = error.code
print(json.dumps([given.type, given.access_key_id[:4], seen.total_count, code]))
"""


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def within(*command: str) -> str:
    return run("ip", "netns", "exec", NAMESPACE, *command)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[None]:
    """Be the first instance of a cloud, alone with its metadata service."""
    plain = sample()
    reading = Policy(statement=(Statement(effect="Allow", action="vpc:Describe*"),))
    role = Role(name="nodes", account_id=plain.accounts[0].account_id, policy=reading)
    first = plain.instances[0].model_copy(
        update={"ram_role": role.arn, "require_metadata_token": True}
    )
    file = tmp_path / "topology.json"
    topology = plain.model_copy(update={"roles": (role,), "instances": (first,)})
    file.write_text(topology.to_json())
    run("ip", "netns", "add", NAMESPACE)
    try:
        within("ip", "link", "set", "lo", "up")
        for address in (METADATA, NODE):
            within("ip", "address", "add", f"{address}/32", "dev", "lo")
        # Who asks the service is told by the source address: the instance's, not the service's.
        within(
            *("ip", "route", "change", "local", METADATA, "dev", "lo", "table", "local"),
            *("src", NODE),
        )
        program = subprocess.Popen(
            [
                *("ip", "netns", "exec", NAMESPACE, sys.executable, "-m", "havip", "simcloud"),
                *("--listen", f"{METADATA}:80", "--topology", str(file), "--profile", "instant"),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
            stdout=subprocess.PIPE,
            text=True,
        )
        with program:
            try:
                assert program.stdout is not None
                assert "listens" in program.stdout.readline()
                yield
            finally:
                program.send_signal(signal.SIGTERM)
                program.wait(timeout=10)
    finally:
        run("ip", "netns", "del", NAMESPACE)


@pytest.mark.usefixtures("instance")
def test_the_sdk_calls_with_the_credentials_of_the_instances_role() -> None:
    told: list[Any] = json.loads(within(sys.executable, "-c", PROVIDE))
    assert told == ["ecs_ram_role", "STS.", 0, "Forbidden.RAM"]
