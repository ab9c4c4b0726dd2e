"""A random walk of users, the console, faults and deaths of the controller ends consistent.

The API server, the controller's process, the SDK and the simulated cloud are real, so a walk is
not the same twice to the millisecond; its steps are, by the seed that is printed. For more of them:
``make test ARGS="-k walk --hypothesis-profile=long --hypothesis-seed=7"``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import ClassVar

import hypothesis
import pytest
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from darabonba.exceptions import UnretryableException
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from havip.api.names import ANNOTATION_FENCE, TAG_CLUSTER, TAG_UID
from havip.controller.kube import Json, KubernetesError
from tests.simcloud.sdk import Sdk

from .conftest import CLUSTER_ID, Cluster, eventually
from .consistency import Sight, discrepancies
from .ground import SOMEBODY_S, TABLES

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(3600)]

SEED = 20260412
WALKS = 4
STEPS = 30
PACE_SECONDS = 0.1
CALM_WITHIN = 90.0
"""Seconds in which all must be well when nobody meddles any more."""

NAMES = ("one", "two", "three")
NODES = (1, 2, 3, 4, 5)
ADDRESS = "10.77.0.200"
"""Of the HaVip that somebody made by hand."""
STRANGER = "i-node9"
GIVEN_EIPS = ("eip-one", "eip-two", "eip-prepaid", "eip-server", "eip-nowhere")
FOREIGN_EIPS = ("eip-server", "eip-gateway", "eip-prepaid", "eip-managed", "eip-locked")
"""What nobody in a walk releases."""

EIPS: st.SearchStrategy[Json | None] = st.sampled_from(
    [
        *(None, None, {"allocate": {}}, {"allocate": {"bandwidthMbps": 20, "tags": {"a": "b"}}}),
        *({"allocationId": each} for each in GIVEN_EIPS),
    ]
)
WANTED_ROUTES = st.lists(
    st.tuples(
        st.sampled_from((*TABLES, "vtb-nowhere")),
        st.sampled_from(["10.50.0.0/16", "10.51.0.0/16", "10.52.1.0/24", SOMEBODY_S]),
    ),
    max_size=3,
    unique=True,
).map(lambda keys: [{"routeTableId": table, "destination": block} for table, block in keys])
MEMBERS = st.sampled_from(
    [
        {},
        {"nodeSelector": {"kind": "any"}},
        {"nodeSelector": {"kind": "any"}, "max": 2},
        {"exclusive": True},
        {"exclusive": False},
        {"type": "NetworkInterface"},
        {"type": "NetworkInterface", "networkInterface": {"tags": {"role": "vip"}}},
    ]
)
ADOPT = st.sampled_from([None, None, None, {"address": ADDRESS}])
POLICY = st.sampled_from([None, None, "Delete", "Retain"])
WISHES = st.fixed_dictionaries(
    {},
    optional={
        "eip": EIPS,
        "routes": WANTED_ROUTES,
        "members": MEMBERS,
        "adopt": ADOPT,
        "deletionPolicy": POLICY,
    },
).map(lambda spec: {key: value for key, value in spec.items() if value is not None})
NAME = st.sampled_from(NAMES)
NODE = st.sampled_from(NODES)

FAULTS = st.sampled_from(
    (
        *("drop-before", "drop-after", "reset-before", "reset-after", "error-500"),
        *("error-500-after", "error-503", "throttle", "malformed", "garbled", "empty-body"),
        *("truncated", "missing-keys", "wrong-types", "wrong-shapes", "latency", "stale", "refuse"),
    )
)
STRUCK = st.sampled_from(
    (
        *("*", "*read", "*write", "CreateHaVip", "AssociateHaVip", "UnassociateHaVip"),
        *("DeleteHaVip", "AllocateEipAddress", "AssociateEipAddress", "UnassociateEipAddress"),
        *("ReleaseEipAddress", "CreateRouteEntry", "DeleteRouteEntry", "TagResources"),
    )
)


class Walk(RuleBasedStateMachine):
    """Users who edit, somebody in the console, and a world that fails now and then."""

    cluster: ClassVar[Cluster]
    failure: ClassVar[AssertionError | None] = None
    """Of the first walk that failed: none after it says more, nor does the same one again."""

    def __init__(self) -> None:
        super().__init__()
        if self.failure is not None:
            raise self.failure
        self.steps: list[str] = []
        self.deaths = 0

    # -- how a step is made

    @contextlib.contextmanager
    def step(self, *told: object) -> Iterator[None]:
        """Do what may be refused: by the API server, by the cloud, or by a fault on the way."""
        outcome = ""
        try:
            yield
        except KubernetesError as error:
            if error.status not in (404, 409, 422):
                raise
            outcome = f" ({error.status})"
        except (AlibabaCloudException, UnretryableException) as error:
            outcome = f" ({getattr(error, 'code', 'no answer')})"
        self.steps.append(" ".join(map(str, told)) + outcome)
        time.sleep(PACE_SECONDS)  # what the others do meanwhile is what the walk is about

    @property
    def hand(self) -> Sdk:
        return self.cluster.by_hand

    def id_of(self, name: str) -> str:
        found: str = self.cluster.status(name).get("haVipId", "")
        return found or "havip-none"

    def edit(self, name: str, field: str, value: object) -> None:
        with self.step("edit", name, field, value):
            if value is None:
                operation: Json = {"op": "remove", "path": f"/spec/{field}"}
            else:
                operation = {"op": "add", "path": f"/spec/{field}", "value": value}
            self.cluster.patch("HaVip", name, operation)

    @initialize(wishes=st.lists(WISHES, min_size=len(NAMES), max_size=len(NAMES)))
    def begin(self, wishes: list[Json]) -> None:
        cluster = self.cluster
        cluster.clean(keep=("HaVipClass", "Secret"))
        cluster.cloud.control.reset()
        if not cluster.get("Secret")["items"]:
            cluster.secret()
            cluster.klass()
        for number in NODES:
            cluster.node(number)
        made = self.hand.create(ip_address=ADDRESS, name="old", description="of old")
        self.hand.associate(made.ha_vip_id, STRANGER)
        if not cluster.processes:
            cluster.start_controller()
        for name, spec in zip(NAMES, wishes, strict=True):
            self.apply(name, spec)

    # -- users

    @rule(name=NAME, spec=WISHES)
    def apply(self, name: str, spec: Json) -> None:
        with self.step("apply", name, spec):
            self.cluster.havip(name, **spec)

    @rule(name=NAME, eip=EIPS)
    def edit_eip(self, name: str, eip: Json | None) -> None:
        self.edit(name, "eip", eip)

    @rule(name=NAME, routes=WANTED_ROUTES)
    def edit_routes(self, name: str, routes: list[Json]) -> None:
        self.edit(name, "routes", routes)

    @rule(name=NAME, members=MEMBERS)
    def edit_members(self, name: str, members: Json) -> None:
        self.edit(name, "members", members)

    @rule(name=NAME, description=st.sampled_from(["", "front", "back"]))
    def edit_description(self, name: str, description: str) -> None:
        self.edit(name, "description", description)

    @rule(name=NAME, tags=st.sampled_from([{"a": "b"}, {"a": "c"}, {"d": "e"}]))
    def edit_tags(self, name: str, tags: Json) -> None:
        self.edit(name, "tags", tags)

    @rule(name=NAME, policy=POLICY)
    def edit_deletion_policy(self, name: str, policy: str | None) -> None:
        self.edit(name, "deletionPolicy", policy)

    @rule(name=NAME, suspend=st.booleans())
    def edit_suspend(self, name: str, suspend: bool) -> None:
        self.edit(name, "suspend", suspend)

    @rule(name=NAME, nodes=st.sampled_from(["node1", "node2,node3", ""]))
    def fence(self, name: str, nodes: str) -> None:
        with self.step("fence", name, nodes):
            value = {ANNOTATION_FENCE: nodes}
            path = "/metadata/annotations"
            self.cluster.patch("HaVip", name, {"op": "add", "path": path, "value": value})

    @rule(name=NAME)
    def delete(self, name: str) -> None:
        with self.step("delete", name):
            self.cluster.delete("HaVip", name)

    # -- nodes

    @rule(number=NODE, kind=st.sampled_from(["any", "other"]))
    def label_node(self, number: int, kind: str) -> None:
        with self.step("label", f"node{number}", kind):
            label = {"op": "add", "path": "/metadata/labels/kind", "value": kind}
            self.cluster.patch("Node", f"node{number}", label)

    @rule(number=NODE)
    def remove_node(self, number: int) -> None:
        with self.step("remove", f"node{number}"):
            self.cluster.remove_node(number)

    @rule(number=NODE)
    def add_node(self, number: int) -> None:
        with self.step("add", f"node{number}"):
            self.cluster.node(number)

    # -- the console

    @rule(name=NAME)
    def delete_in_console(self, name: str) -> None:
        ha_vip_id = self.id_of(name)
        found = {each["haVipId"]: each for each in self.cluster.cloud.control.ha_vips()}
        with self.step("delete in the console", name):
            for member in found.get(ha_vip_id, {"members": []})["members"]:
                self.hand.unassociate(ha_vip_id, member, force="True")
            self.hand.delete(ha_vip_id)

    @rule(name=NAME)
    def unbind_in_console(self, name: str) -> None:
        eip = self.cluster.status(name).get("eip") or {}
        with self.step("unbind in the console", name):
            self.hand.unbind_eip(eip.get("allocationId") or "eip-none")

    @rule(name=NAME)
    def release_in_console(self, name: str) -> None:
        eip = self.cluster.status(name).get("eip") or {}
        with self.step("release in the console", name):
            if eip.get("allocated"):
                self.hand.unbind_eip(eip["allocationId"])
                self.hand.release_eip(eip["allocationId"])

    @rule(name=NAME, eip=st.sampled_from(["eip-one", "eip-two", "eip-prepaid"]))
    def bind_in_console(self, name: str, eip: str) -> None:
        with self.step("bind in the console", eip, name):
            self.hand.bind_eip(eip, self.id_of(name))

    @rule(name=NAME, table=st.sampled_from(TABLES), block=st.sampled_from(["10.60.0.0/16"]))
    def add_route_in_console(self, name: str, table: str, block: str) -> None:
        with self.step("add route in the console", table, block, name):
            self.hand.route(block, self.id_of(name), route_table_id=table)

    @rule(table=st.sampled_from(TABLES), which=st.integers(0, 4))
    def delete_route_in_console(self, table: str, which: int) -> None:
        leading = [
            each
            for each in self.cluster.cloud.control.route_entries(table)
            if each["nextHopType"] == "HaVip"
        ]
        with self.step("delete route in the console", table, which):
            if leading:
                entry = leading[which % len(leading)]
                self.hand.unroute(route_entry_id=entry["routeEntryId"])

    @rule(name=NAME, keys=st.sampled_from([(TAG_UID,), (TAG_CLUSTER, TAG_UID), ("a",)]))
    def untag_in_console(self, name: str, keys: tuple[str, ...]) -> None:
        with self.step("untag in the console", name, keys):
            self.hand.untag(self.id_of(name), list(keys))

    @rule(name=NAME, number=NODE)
    def unassociate_in_console(self, name: str, number: int) -> None:
        with self.step("unassociate in the console", name, number):
            self.hand.unassociate(self.id_of(name), f"i-node{number}", force="True")

    @rule(name=NAME)
    def associate_in_console(self, name: str) -> None:
        with self.step("associate in the console", name, STRANGER):
            self.hand.associate(self.id_of(name), STRANGER)

    @rule(number=NODE, act=st.sampled_from(["stop", "start"]))
    def switch_instance(self, number: int, act: str) -> None:
        with self.step(act, f"i-node{number}"):
            getattr(self.hand, act)(f"i-node{number}")

    @rule()
    def delete_instance(self) -> None:
        with self.step("delete i-node5"):
            self.hand.release_instance("i-node5")

    @rule(interface=st.sampled_from(["eni-vip1", "eni-vip2", "eni-spare"]), number=NODE)
    def move_interface(self, interface: str, number: int) -> None:
        with self.step("move", interface, number):
            cards = self.cluster.cloud.control.state()["networkInterfaces"]
            [card] = [each for each in cards if each["networkInterfaceId"] == interface]
            if card["instanceId"]:
                self.hand.detach_interface(interface, card["instanceId"])
            self.hand.attach_interface(interface, f"i-node{number}")

    # -- trouble

    @rule(action=STRUCK, kind=FAULTS, count=st.integers(1, 3), skip=st.integers(0, 3))
    def fault(self, action: str, kind: str, count: int, skip: int) -> None:
        with self.step("fault", action, kind, count, skip):
            self.cluster.cloud.control.fault(action, kind, count=count, skip=skip, seconds=0.5)

    @rule()
    def throttle(self) -> None:
        with self.step("throttle"):
            self.cluster.cloud.control.throttle_region(lasts=1.0, retry_after=0.3)

    @rule(seconds=st.sampled_from([0.3, 1.0]))
    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)
        self.steps.append(f"{seconds} s pass")

    @precondition(lambda self: self.deaths < 1)
    @rule()
    def kill_the_controller(self) -> None:
        [process] = self.cluster.processes
        process.kill()
        process.wait()
        self.cluster.processes.clear()
        self.deaths += 1
        self.cluster.start_controller()
        self.steps.append("kill -9 of the controller; another begins")

    # -- the end

    def teardown(self) -> None:
        try:
            self.calm_down()
            eventually(self.discrepancies, lambda seen: not seen, within=CALM_WITHIN)
            for each in self.cluster.get("HaVip")["items"]:
                with contextlib.suppress(KubernetesError):
                    self.cluster.delete("HaVip", each["metadata"]["name"])
            eventually(lambda: self.cluster.get("HaVip")["items"], lambda s: not s, CALM_WITHIN)
            assert self.discrepancies() == []
        except AssertionError as error:
            told = "\n  ".join([f"{error}", "after:", *self.steps])
            type(self).failure = failure = AssertionError(told)
            raise failure from None
        changes = sum(each.effect for each in self.cluster.cloud.control.calls())
        print(f"a walk of {len(self.steps)} steps and {changes} changes in the cloud ended well")

    def calm_down(self) -> None:
        """End what keeps things from being as they are wanted."""
        self.cluster.cloud.control.clear_faults()
        for each in self.cluster.get("HaVip")["items"]:
            name = each["metadata"]["name"]
            with contextlib.suppress(KubernetesError):
                self.cluster.edit(name, suspend=False)
                annotations = {"op": "add", "path": "/metadata/annotations", "value": {}}
                self.cluster.patch("HaVip", name, annotations)
        for each in self.cluster.get("HaVipNode")["items"]:
            self.cluster.report(int(each["metadata"]["name"].removeprefix("node")))

    def discrepancies(self) -> list[str]:
        cluster = self.cluster
        state = cluster.cloud.control.state()
        sight = Sight(
            CLUSTER_ID,
            tuple(
                each
                for each in cluster.get("HaVip")["items"]
                if not each["metadata"].get("deletionTimestamp")
            ),
            tuple(cluster.get("Node")["items"]),
            state,
        )
        leaving = [
            each["metadata"]["name"]
            for each in cluster.get("HaVip")["items"]
            if each["metadata"].get("deletionTimestamp")
        ]
        there = {each["allocationId"]: each for each in state["eips"]}
        return [
            *discrepancies(sight),
            *(f"{each} is still being deleted" for each in leaving),
            *(f"{each} was released" for each in FOREIGN_EIPS if each not in there),
            *(f"{each} has tags" for each in FOREIGN_EIPS if there.get(each, {}).get("tags")),
            *([] if SOMEBODY_S in cluster.routes_of("vtb-one") else ["somebody's route is gone"]),
        ]


def test_a_walk_ends_consistent(bare: Cluster, request: pytest.FixtureRequest) -> None:
    given = request.config.getoption("--hypothesis-seed")
    number = SEED if given is None else int(given)
    print(f"seed {number}")

    class Here(Walk):
        cluster = bare

    long = hypothesis.settings.get_current_profile_name() == "long"
    plan = hypothesis.settings(
        max_examples=50 if long else WALKS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(hypothesis.seed(number)(Here), settings=plan)
    except Exception:
        if Here.failure is None:
            raise
        raise Here.failure from None
