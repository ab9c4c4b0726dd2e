"""The metadata service, as an instance asks it."""

import http.client
import json
import socket
from ipaddress import IPv4Address

import pytest

from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import NetworkInterface, Role, Topology, sample
from tests.simcloud.conftest import Clock, Start
from tests.simcloud.sdk import Sdk, refusal

TTL = "X-aliyun-ecs-metadata-token-ttl-seconds"
TOKEN = "X-aliyun-ecs-metadata-token"


def ask(
    cloud: RunningCloud, path: str, method: str = "GET", instance: str = "i-node1", **headers: str
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(cloud.endpoint, timeout=5)
    try:
        connection.request(
            method,
            f"/latest/{path}",
            headers={"X-Simcloud-Instance": instance, **headers},
        )
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def token(cloud: RunningCloud, ttl: str = "60", instance: str = "i-node1") -> str:
    status, text = ask(cloud, "api/token", "PUT", instance, **{TTL: ttl})
    assert status == 200
    return text


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("instance-id", "i-node1"),
        ("region-id", "cn-hangzhou"),
        ("zone-id", "cn-hangzhou-a"),
        ("vpc-id", "vpc-sim"),
        ("vswitch-id", "vsw-sim"),
        ("vswitch-cidr-block", "10.77.0.0/24"),
        ("private-ipv4", "10.77.0.11"),
        ("mac", "02:00:0a:4d:00:0b"),
        ("owner-account-id", "1000000000000001"),
        ("network/interfaces/macs/02:00:0a:4d:00:0b/network-interface-id", "eni-node1"),
        ("network/interfaces/macs/02:00:0a:4d:00:0b/primary-ip-address", "10.77.0.11"),
        ("network/interfaces/macs/02:00:0a:4d:00:0b/vswitch-id", "vsw-sim"),
        ("network/interfaces/macs/02:00:0a:4d:00:0b/netmask", "255.255.255.0"),
    ],
)
def test_an_instance_learns_its(cloud: RunningCloud, item: str, value: str) -> None:
    assert ask(cloud, f"meta-data/{item}", **{TOKEN: token(cloud)}) == (200, value)


def test_addresses_of_an_interface_are_a_json_list(cloud: RunningCloud) -> None:
    path = "meta-data/network/interfaces/macs/02:00:0a:4d:00:0b/private-ipv4s"
    assert json.loads(ask(cloud, path)[1]) == ["10.77.0.11"]


def test_a_folder_lists_what_is_in_it(cloud: RunningCloud) -> None:
    assert "instance-id" in ask(cloud, "meta-data/")[1].split("\n")
    assert ask(cloud, "meta-data/network/interfaces/macs/") == (200, "02:00:0a:4d:00:0b/")


def test_an_item_that_does_not_exist_is_not_found(cloud: RunningCloud) -> None:
    assert ask(cloud, "meta-data/horoscope")[0] == 404
    assert ask(cloud, "meta-data/instance-id/below")[0] == 404


def test_the_source_address_names_the_instance(start: Start) -> None:
    topology = Topology.model_validate_json(sample(1).to_json().replace("10.77.", "127.77."))
    host, port = start(topology).endpoint.split(":")
    source = ("127.77.0.11", 0)
    with socket.create_connection((host, int(port)), timeout=5, source_address=source) as link:
        link.sendall(b"GET /latest/meta-data/instance-id HTTP/1.0\r\nHost: x\r\n\r\n")
        assert link.makefile("rb").read().endswith(b"\r\n\r\ni-node1")


def test_a_stranger_learns_nothing(cloud: RunningCloud) -> None:
    assert ask(cloud, "meta-data/instance-id", instance="i-nobody")[0] == 404
    assert ask(cloud, "api/token", "PUT", "i-nobody", **{TTL: "60"})[0] == 404


@pytest.mark.parametrize("ttl", ["0", "21601", "soon", ""])
def test_a_token_lasts_one_second_to_six_hours(cloud: RunningCloud, ttl: str) -> None:
    assert ask(cloud, "api/token", "PUT", **{TTL: ttl})[0] == 400


def test_a_token_ends_and_is_for_its_instance_only(cloud: RunningCloud, clock: Clock) -> None:
    given = token(cloud, ttl="30")
    path = "meta-data/instance-id"
    assert ask(cloud, path, **{TOKEN: given})[0] == 200
    assert ask(cloud, path, instance="i-node2", **{TOKEN: given})[0] == 401
    assert ask(cloud, path, **{TOKEN: "guessed"})[0] == 401
    clock.advance(31)
    assert ask(cloud, path, **{TOKEN: given})[0] == 401


def test_an_instance_may_insist_on_tokens(start: Start) -> None:
    plain = sample(1)
    strict = plain.instances[0].model_copy(update={"require_metadata_token": True})
    cloud = start(plain.model_copy(update={"instances": (strict,)}))
    assert ask(cloud, "meta-data/instance-id")[0] == 403
    assert ask(cloud, "meta-data/instance-id", **{TOKEN: token(cloud)}) == (200, "i-node1")


def test_secondary_interfaces_are_listed_while_they_are_attached(start: Start) -> None:
    second = NetworkInterface(
        network_interface_id="eni-second",
        v_switch_id="vsw-sim",
        private_ip_address=IPv4Address("10.77.0.61"),
        mac_address="02:00:0a:4d:00:3d",
        instance_id="i-node1",
    )
    cloud = start(sample().model_copy(update={"network_interfaces": (second,)}))
    macs = "meta-data/network/interfaces/macs"
    assert ask(cloud, f"{macs}/")[1].split("\n") == ["02:00:0a:4d:00:0b/", "02:00:0a:4d:00:3d/"]
    assert ask(cloud, f"{macs}/02:00:0a:4d:00:3d/network-interface-id") == (200, "eni-second")
    assert ask(cloud, f"{macs}/02:00:0a:4d:00:3d/primary-ip-address") == (200, "10.77.0.61")
    Sdk(cloud.endpoint).detach_interface("eni-second", "i-node1")
    assert ask(cloud, f"{macs}/") == (200, "02:00:0a:4d:00:0b/")


ROLES = "meta-data/ram/security-credentials/"


def with_role(**fields: object) -> Topology:
    """Give the sample where the first instance has a role and insists on tokens."""
    plain = sample()
    role = Role(name="nodes", account_id=plain.accounts[0].account_id).model_copy(update=fields)
    first = plain.instances[0].model_copy(
        update={"ram_role": role.arn, "require_metadata_token": True}
    )
    return plain.model_copy(update={"roles": (role,), "instances": (first, *plain.instances[1:])})


def sdk_of(cloud: RunningCloud, credentials: str) -> Sdk:
    given = json.loads(credentials)
    assert given["Code"] == "Success"
    return Sdk(
        cloud.endpoint,
        given["AccessKeyId"],
        given["AccessKeySecret"],
        security_token=given["SecurityToken"],
    )


def test_an_instance_gets_credentials_of_its_role(start: Start) -> None:
    cloud = start(with_role())
    assert ask(cloud, ROLES)[0] == 403
    given = token(cloud)
    assert ask(cloud, ROLES, **{TOKEN: given}) == (200, "nodes")
    status, credentials = ask(cloud, f"{ROLES}nodes", **{TOKEN: given})
    assert status == 200
    assert sdk_of(cloud, credentials).describe().total_count == 0
    assert ask(cloud, f"{ROLES}nodes", **{TOKEN: given}) == (200, credentials)
    assert ask(cloud, f"{ROLES}others", **{TOKEN: given})[0] == 404


def test_an_instance_without_a_role_gets_no_credentials(start: Start) -> None:
    assert ask(start(with_role()), ROLES, instance="i-node2")[0] == 404


def test_credentials_are_renewed_before_they_end(start: Start, clock: Clock) -> None:
    cloud = start(with_role(session_seconds=100.0))

    def credentials() -> str:
        return ask(cloud, f"{ROLES}nodes", **{TOKEN: token(cloud)})[1]

    old = credentials()
    clock.advance(60)
    new = credentials()
    assert new != old
    assert sdk_of(cloud, old).describe().total_count == 0
    clock.advance(50)
    assert refusal(sdk_of(cloud, old).describe) == (400, "InvalidSecurityToken.Expired")
    assert sdk_of(cloud, new).describe().total_count == 0


def test_credentials_are_renewed_when_their_key_is_deleted(start: Start) -> None:
    cloud = start(with_role())

    def credentials() -> str:
        return ask(cloud, f"{ROLES}nodes", **{TOKEN: token(cloud)})[1]

    old = credentials()
    cloud.control.delete_key(json.loads(old)["AccessKeyId"])
    assert refusal(sdk_of(cloud, old).describe) == (404, "InvalidAccessKeyId.NotFound")
    assert sdk_of(cloud, credentials()).describe().total_count == 0


def test_a_role_that_is_not_there_is_a_mistake_in_the_topology() -> None:
    text = with_role().model_copy(update={"roles": ()}).to_json()
    with pytest.raises(ValueError, match="unknown role acs:ram"):
        Topology.model_validate_json(text)
