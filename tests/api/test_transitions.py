"""What may change in an object that exists, on the real API server."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from havip.api.conditions import ConditionType, Reason, set_condition
from havip.api.havip import (
    AdoptedState,
    AnnounceRequest,
    EipStatus,
    FencedMember,
    HaVip,
    HaVipStatus,
    Holder,
    MemberState,
    MemberStatus,
    RouteState,
    RouteStatus,
)
from havip.api.havipclass import HaVipClass, HaVipClassStatus
from havip.api.havipnode import Fence, HaVipNode, HaVipNodeStatus, Hold, Unheard
from lab.controlplane import ControlPlane, ControlPlaneError

pytestmark = pytest.mark.apiserver

NAMESPACE = "transitions"
FIXED = "the address is allocated and cannot change: put back the one of status.address"


class Objects:
    """Objects of one test on the API server, handled as a user and the controller do."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane

    def make(self, kind: str, name: str, spec: dict[str, Any] | None) -> None:
        given = {
            "apiVersion": "havip.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE if kind == "HaVip" else ""},
            **({"spec": spec} if spec is not None else {}),
        }
        self.plane.kubectl("apply", "--validate=strict", "-f", "-", input=json.dumps(given))

    def change(self, resource: str, spec: dict[str, Any]) -> None:
        """Change the spec; None takes a field out."""
        self._patch(resource, {"spec": spec})

    def report(self, resource: str, status: dict[str, Any]) -> None:
        self._patch(resource, {"status": status}, "--subresource=status")

    def read(self, resource: str) -> dict[str, Any]:
        text = self.plane.kubectl("get", resource, "-n", NAMESPACE, "-o", "json")
        found: dict[str, Any] = json.loads(text)
        return found

    def _patch(self, resource: str, change: dict[str, Any], *flags: str) -> None:
        self.plane.kubectl(
            "patch", resource, "-n", NAMESPACE, "--type=merge", *flags, "-p", json.dumps(change)
        )


@pytest.fixture
def objects(control_plane: ControlPlane) -> Iterator[Objects]:
    control_plane.create_namespace(NAMESPACE)
    yield Objects(control_plane)
    control_plane.kubectl("delete", "hv", "--all", "-n", NAMESPACE, "--wait=true")
    control_plane.kubectl("delete", "hvc,hvn", "--all", "--wait=true")


@pytest.fixture
def make(objects: Objects) -> Callable[..., None]:
    """Make the HaVip hv/web of class main."""

    def havip(**spec: Any) -> None:
        objects.make("HaVip", "web", {"className": "main", **spec})

    return havip


class TestAnAddress:
    def test_may_change_until_it_is_allocated(
        self, objects: Objects, make: Callable[..., None]
    ) -> None:
        make(address="10.0.0.1")
        objects.change("hv/web", {"address": "10.0.0.2"})
        objects.change("hv/web", {"address": None})
        assert "address" not in objects.read("hv/web")["spec"]

    @pytest.mark.parametrize("address", ["10.0.0.2", None])
    def test_cannot_change_or_go_once_it_is_allocated(
        self, objects: Objects, make: Callable[..., None], address: str | None
    ) -> None:
        make(address="10.0.0.1")
        objects.report("hv/web", {"address": "10.0.0.1"})
        with pytest.raises(ControlPlaneError, match=FIXED):
            objects.change("hv/web", {"address": address})

    def test_that_the_cloud_chose_may_be_written_down_but_no_other(
        self, objects: Objects, make: Callable[..., None]
    ) -> None:
        make()
        objects.report("hv/web", {"address": "10.0.0.1"})
        with pytest.raises(ControlPlaneError, match=FIXED):
            objects.change("hv/web", {"address": "10.0.0.2"})
        objects.change("hv/web", {"address": "10.0.0.1"})
        assert objects.read("hv/web")["spec"]["address"] == "10.0.0.1"

    def test_changed_too_late_leaves_the_status_writable(
        self, objects: Objects, make: Callable[..., None]
    ) -> None:
        make(address="10.0.0.1")
        objects.change("hv/web", {"address": "10.0.0.2"})
        # The controller had made the HaVip with the first address by then.
        objects.report("hv/web", {"address": "10.0.0.1"})
        objects.report("hv/web", {"membersSummary": "0/3"})
        objects.change("hv/web", {"address": "10.0.0.1"})
        assert objects.read("hv/web")["status"]["membersSummary"] == "0/3"


def test_the_class_cannot_change(objects: Objects, make: Callable[..., None]) -> None:
    make()
    with pytest.raises(ControlPlaneError, match="className cannot change: delete this object"):
        objects.change("hv/web", {"className": "other"})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"adopt": {"haVipId": "havip-1"}}),
        ({"adopt": {"haVipId": "havip-1"}}, {"adopt": {"haVipId": "havip-2"}}),
        ({"adopt": {"haVipId": "havip-1"}}, {"adopt": None}),
    ],
    ids=["added", "another", "removed"],
)
def test_what_is_adopted_cannot_change(
    objects: Objects, make: Callable[..., None], before: dict[str, Any], after: dict[str, Any]
) -> None:
    make(**before)
    with pytest.raises(ControlPlaneError, match="adopt cannot change: delete this object"):
        objects.change("hv/web", after)


POOL = {"isp": "BGP", "publicIpPool": "pippool-1"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"isp": "BGP_PRO"}),
        ({}, {"internetChargeType": "PayByBandwidth"}),
        ({}, {"publicIpPool": "pippool-1"}),
        (POOL, {"publicIpPool": "pippool-2"}),
        (POOL, {"publicIpPool": None}),
    ],
    ids=["line", "charge", "pool added", "another pool", "pool removed"],
)
def test_what_an_allocated_eip_is_cannot_change(
    objects: Objects, make: Callable[..., None], before: dict[str, Any], after: dict[str, Any]
) -> None:
    make(eip={"allocate": before})
    with pytest.raises(ControlPlaneError, match="cannot change, since that would be another"):
        objects.change("hv/web", {"eip": {"allocate": after}})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"allocate": POOL}, {"allocate": {"name": "n", "bandwidthMbps": 9, "tags": {"a": "b"}}}),
        ({"allocate": {}}, {"allocate": None, "allocationId": "eip-1"}),
        ({"allocationId": "eip-1"}, {"allocationId": "eip-2"}),
        ({"allocationId": "eip-1"}, {"allocationId": None, "allocate": {}}),
        ({"allocate": {}}, None),
        (None, {"allocate": {}}),
    ],
    ids=["properties", "allocated to named", "named", "named to allocated", "removed", "added"],
)
def test_which_eip_it_is_may_change(
    objects: Objects, make: Callable[..., None], before: dict[str, Any], after: dict[str, Any]
) -> None:
    make(**({"eip": before} if before else {}))
    objects.change("hv/web", {"eip": after})
    spec = HaVip.from_json(objects.read("hv/web")).spec
    assert (spec.eip is None) is (after is None)


def test_everything_else_may_change(objects: Objects, make: Callable[..., None]) -> None:
    make(adopt={"haVipId": "havip-1"})
    objects.report("hv/web", {"address": "10.0.0.1"})
    changes = {
        "name": "new",
        "description": "new",
        "tags": {"team": "a"},
        "resourceGroupId": "rg-2",
        "deletionPolicy": "Delete",
        "members": {
            "max": 2,
            "nodeSelector": {"edge": "yes"},
            "type": "NetworkInterface",
            "networkInterface": {"tags": {"role": "edge"}},
            "exclusive": True,
        },
        "routes": [{"routeTableId": "vtb-1", "destination": "0.0.0.0/0"}],
        "election": {"profile": "Calm", "failback": "WhenHealthy"},
        "announce": {"burst": 1},
        "health": [{"name": "web", "tcp": {"port": 80}}],
        "suspend": True,
    }
    objects.change("hv/web", changes)
    spec = HaVip.from_json(objects.read("hv/web")).spec
    assert spec.members.node_selector == {"edge": "yes"}
    assert spec.health[0].interval_millis == 1000


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"region": "cn-beijing"}, "region cannot change"),
        ({"vSwitchId": "vsw-2"}, "vSwitchId cannot change"),
        ({"services": {"shareAcrossNamespaces": True}}, "shareAcrossNamespaces cannot change"),
    ],
)
def test_a_class_stays_where_its_havips_are(
    objects: Objects, change: dict[str, Any], sentence: str
) -> None:
    objects.make("HaVipClass", "main", {"region": "cn-hangzhou", "vSwitchId": "vsw-1"})
    with pytest.raises(ControlPlaneError, match=sentence):
        objects.change("hvc/main", change)
    objects.change("hvc/main", {"credentials": {"secretRef": {"name": "new-key"}}})
    objects.change("hvc/main", {"credentials": {"secretRef": None, "ecsRamRole": {}}})
    objects.change("hvc/main", {"credentials": None, "limits": {"haVipsPerVpc": 60}})


def test_defaults_are_filled_in_down_to_the_last_field(
    objects: Objects, make: Callable[..., None]
) -> None:
    make(health=[{"name": "web", "http": {"port": 80}}])
    spec = objects.read("hv/web")["spec"]
    assert spec == {
        "className": "main",
        "members": {"type": "EcsInstance", "max": 10},
        "election": {"profile": "Balanced", "failback": "Never"},
        "announce": {"burst": 5, "refreshSeconds": 5},
        "health": [
            {
                "name": "web",
                "http": {"port": 80, "path": "/", "scheme": "HTTP"},
                "intervalMillis": 1000,
                "timeoutMillis": 500,
                "rise": 2,
                "fall": 3,
            }
        ],
        "suspend": False,
    }


def test_defaults_of_an_eip_and_of_a_class_are_filled_in(
    objects: Objects, make: Callable[..., None]
) -> None:
    make(eip={"allocate": {}})
    assert objects.read("hv/web")["spec"]["eip"] == {
        "allocate": {"bandwidthMbps": 5, "internetChargeType": "PayByTraffic", "isp": "BGP"}
    }
    objects.make("HaVipClass", "main", {"region": "cn-hangzhou", "vSwitchId": "vsw-1"})
    assert objects.read("hvc/main")["spec"]["limits"] == {
        "haVipsPerVpc": 50,
        "haVipsPerInstance": 5,
        "membersPerHaVip": 10,
        "routesPerTable": 5,
    }


def test_a_new_object_has_no_status(objects: Objects, make: Callable[..., None]) -> None:
    make()
    assert "status" not in objects.read("hv/web")


def test_what_the_models_write_is_what_they_read_back(
    objects: Objects, make: Callable[..., None]
) -> None:
    make()
    given = HaVip.from_json(objects.read("hv/web"))
    objects.change("hv/web", given.to_json()["spec"])
    assert HaVip.from_json(objects.read("hv/web")).spec == given.spec


def test_kubectl_get_shows_the_state_at_a_glance(
    objects: Objects, make: Callable[..., None]
) -> None:
    make()
    created = HaVip.from_json(objects.read("hv/web")).metadata.creation_timestamp
    assert created is not None
    status = HaVipStatus(
        ha_vip_id="havip-1",
        address="10.0.0.9",
        holder=Holder(node="node1", instance_id="i-node1", epoch=4, since=created),
        members=(MemberStatus(node="node1", state=MemberState.ASSOCIATED, healthy=True),),
        wanted_members=3,
        ready_members=3,
        members_summary="3/3",
        conditions=set_condition(
            (), ConditionType.READY, True, Reason.READY, "node1 answers", now=created
        ),
    )
    objects.report("hv/web", status.to_json())
    assert HaVip.from_json(objects.read("hv/web")).status == status

    shown = objects.plane.kubectl("get", "hv", "-n", NAMESPACE).splitlines()
    assert shown[0].split() == [
        "NAME", "ADDRESS", "HOLDER", "MEMBERS", "READY", "REASON", "AGE",
    ]  # fmt: skip
    assert shown[1].split()[:-1] == ["web", "10.0.0.9", "node1", "3/3", "True", "Ready"]


def test_all_that_the_controller_may_report_is_kept(
    objects: Objects, make: Callable[..., None]
) -> None:
    make(adopt={"haVipId": "havip-1"}, eip={"allocate": {}})
    created = HaVip.from_json(objects.read("hv/web")).metadata.creation_timestamp
    assert created is not None
    status = HaVipStatus(
        eip=EipStatus(allocation_id="eip-1", address="203.0.113.7", allocated=True),
        eip_address="203.0.113.7",
        last_allocated_eip="eip-1",
        routes=(
            RouteStatus(
                route_table_id="vtb-1",
                destination="0.0.0.0/0",
                state=RouteState.REFUSED,
                reason="remove the entry",
            ),
        ),
        adopted=AdoptedState(
            name="by hand",
            tags={"team": "a"},
            members=("i-1",),
            eip_addresses=("203.0.113.9",),
            routes=("vtb-1 10.9.0.0/16",),
        ),
        fenced=(FencedMember(node="node1", member_id="i-1", at=created, reason="it is dead"),),
        announce_request=AnnounceRequest(epoch=3, number=1),
    )
    objects.report("hv/web", status.to_json())
    assert HaVip.from_json(objects.read("hv/web")).status == status


def test_kubectl_get_shows_whether_a_class_can_work(objects: Objects) -> None:
    objects.make("HaVipClass", "main", {"region": "cn-hangzhou", "vSwitchId": "vsw-1"})
    created = HaVipClass.from_json(objects.read("hvc/main")).metadata.creation_timestamp
    assert created is not None
    status = HaVipClassStatus(
        observed_generation=1,
        account_id="1000000000000001",
        identity="acs:ram::1000000000000001:user/havip",
        ha_vips=3,
        conditions=set_condition(
            (), ConditionType.ACCEPTED, False, Reason.PERMISSION_MISSING, "grant it", now=created
        ),
    )
    objects.report("hvc/main", status.to_json())
    assert HaVipClass.from_json(objects.read("hvc/main")).status == status
    shown = objects.plane.kubectl("get", "hvc").splitlines()
    assert shown[0].split() == ["NAME", "REGION", "VSWITCH", "READY", "REASON", "AGE"]
    assert shown[1].split()[:-1] == ["main", "cn-hangzhou", "vsw-1", "False", "PermissionMissing"]


def test_a_node_reports_in_its_status_alone(objects: Objects) -> None:
    objects.make("HaVipNode", "node1", None)
    made = HaVipNode.from_json(objects.read("hvn/node1"))
    assert made.metadata.creation_timestamp is not None
    hold = Hold(
        uid="u-1",
        namespace="shop",
        name="web",
        address="10.0.0.9",
        epoch=4,
        since=made.metadata.creation_timestamp,
    )
    status = HaVipNodeStatus(
        instance_id="i-node1",
        v_switch_id="vsw-1",
        peer_port=9494,
        fence=Fence.EXACT,
        kernel_addresses=("10.0.0.9", "10.0.0.10"),
        holds=(hold,),
        healthy={"u-1": True},
        unheard=(Unheard(node="node2", since=made.metadata.creation_timestamp),),
        heartbeat_at=made.metadata.creation_timestamp,
        reporting_since=made.metadata.creation_timestamp,
    )
    objects.report("hvn/node1", status.to_json())
    assert HaVipNode.from_json(objects.read("hvn/node1")).status == status
    shown = objects.plane.kubectl("get", "hvn").splitlines()[1].split()
    assert shown[:5] == ["node1", "i-node1", "vsw-1", '["10.0.0.9","10.0.0.10"]', "Exact"]


def test_kubectl_explain_reads_well(control_plane: ControlPlane) -> None:
    said = control_plane.kubectl("explain", "hv.spec.election.timings.grantMillis")
    assert "promises not to take over" in " ".join(said.split())
