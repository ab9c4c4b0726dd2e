"""The parts below the actions: flat parameters, the topology file, what goes over the socket."""

import http.client
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from havip.simcloud.datapath import Wiring, arp_sender, ruleset
from havip.simcloud.gateway import FAMILIES, TABLE
from havip.simcloud.server import RunningCloud
from havip.simcloud.topology import Topology, sample
from havip.simcloud.wire import ApiError, Parameters, unflatten


def test_flat_names_become_structures() -> None:
    flat = {"Filter.1.Key": "a", "Filter.1.Value.1": "x", "Filter.1.Value.2": "y", "Id": "z"}
    assert unflatten(flat) == {
        "Filter": {"1": {"Key": "a", "Value": {"1": "x", "2": "y"}}},
        "Id": "z",
    }


def test_a_list_is_read_in_the_order_of_its_numbers() -> None:
    parameters = Parameters({"Id.10": "j", "Id.2": "b", "Id.1": "a", "Id.x": "no"})
    assert parameters.texts("Id") == ["a", "b", "j"]


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False)])
def test_a_boolean_is_read_in_any_case(text: str, value: bool) -> None:
    assert Parameters({"Force": text}).flag("Force") is value


def test_a_boolean_is_nothing_else() -> None:
    with pytest.raises(ApiError, match="Force"):
        Parameters({"Force": "perhaps"}).flag("Force")


@given(st.dictionaries(st.text(alphabet="ab.1", min_size=1), st.text()))
def test_no_names_make_reading_fail(flat: dict[str, str]) -> None:
    parameters = Parameters(flat)
    for name in ("a", "b", "1"):
        parameters.text(name)
        parameters.texts(name)
        parameters.structures(name)


@given(st.binary(max_size=64))
def test_no_frame_makes_reading_fail(frame: bytes) -> None:
    arp_sender(frame)


def test_an_arp_frame_tells_its_sender() -> None:
    frame = bytes.fromhex(
        "ffffffffffff 02000a4d000b 0806 0001 0800 06 04 0001"
        "02000a4d000b 0a4d0063 000000000000 0a4d0063"
    )
    sender = arp_sender(frame)
    assert sender is not None
    assert (sender[0], str(sender[1])) == ("02:00:0a:4d:00:0b", "10.77.0.99")


def test_a_table_without_members_has_no_empty_lists() -> None:
    assert "elements" not in ruleset(Wiring())


def test_a_topology_can_be_written_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "topology.json"
    file.write_text(sample().to_json())
    assert Topology.read(file) == sample()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("vsw-sim", "vsw-gone", "unknown vSwitch"),
        ("10.77.0.11", "10.99.0.11", "not in 10.77.0.0/24"),
        ('"macAddress"', '"macAdress"', "macAdress"),
    ],
)
def test_a_topology_that_does_not_fit_together_is_refused(old: str, new: str, reason: str) -> None:
    text = sample().to_json()
    head, instances = text.split('"instances"')
    with pytest.raises(ValueError, match=reason):
        Topology.model_validate_json(f'{head}"instances"{instances.replace(old, new, 1)}')


def test_an_answer_comes_in_one_segment(cloud: RunningCloud) -> None:
    host, port = cloud.endpoint.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as link:
        link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        answer = link.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"404" in head
    assert body.endswith(b"}")


def test_an_answer_to_nothing_known_is_an_error_body(cloud: RunningCloud) -> None:
    connection = http.client.HTTPConnection(cloud.endpoint, timeout=5)
    try:
        connection.request("GET", "/?Action=Nothing&Version=2016-04-28")
        response = connection.getresponse()
        assert response.status == 404
        assert b"InvalidAction.NotFound" in response.read()
    finally:
        connection.close()


def test_no_two_actions_have_the_same_name_and_version() -> None:
    assert all(key == (action.version, action.name) for key, action in TABLE.items())
    assert len(TABLE) == sum(len(family.ACTIONS) for family in FAMILIES)
