"""The table of actions, the policies made of it, and what the adapter calls indeed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from havip.api.errors import CredentialsRefused
from havip.cli.app import app
from havip.cloud.actions import ACTIONS, Action, Feature
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.policy import policy_document, to_json
from havip.cloud.port import InstanceType, NewRoute, ResourceType
from havip.simcloud.gateway import TABLE
from havip.simcloud.policy import Policy
from havip.simcloud.server import RunningCloud
from tests.cloud.conftest import NEW, NEW_EIP, token

ACCOUNT = "1000000000000001"


class Watched:
    """The adapter, with a list of the methods that were called."""

    def __init__(self, cloud: AlibabaCloud) -> None:
        self._cloud = cloud
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.called.add(name)
        return getattr(self._cloud, name)


async def core(cloud: Watched) -> None:
    await cloud.identify()
    await cloud.describe_v_switch("vsw-sim")
    await cloud.describe_instances(["i-node1"])
    ha_vip = await cloud.create_ha_vip(NEW, token())
    await cloud.modify_ha_vip(ha_vip, "shop", "", token())
    await cloud.tag(ResourceType.HA_VIP, ha_vip, {"c": "d"})
    await cloud.untag(ResourceType.HA_VIP, ha_vip, ["c"])
    await cloud.move_resource_group(ResourceType.HA_VIP, ha_vip, "rg-other")
    kind = InstanceType.ECS_INSTANCE
    await cloud.associate(ha_vip, "i-node1", kind, token())
    await cloud.unassociate(ha_vip, "i-node1", kind, token(), force=True)
    await cloud.describe_ha_vips()
    await cloud.delete_ha_vip(ha_vip, token())


async def eip(cloud: Watched) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    allocation_id = await cloud.allocate_eip(NEW_EIP, token())
    await cloud.describe_eips(tags={"a": "b"}, ids=[allocation_id])
    await cloud.modify_eip(allocation_id, name="gate", description="", bandwidth_mbps=9)
    await cloud.tag(ResourceType.EIP, allocation_id, {"c": "d"})
    await cloud.untag(ResourceType.EIP, allocation_id, ["c"])
    await cloud.move_resource_group(ResourceType.EIP, allocation_id, "rg-other")
    await cloud.associate_eip(allocation_id, ha_vip, token())
    await cloud.unassociate_eip(allocation_id, ha_vip, token())
    await cloud.release_eip(allocation_id)
    await cloud.delete_ha_vip(ha_vip, token())


async def routes(cloud: Watched) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    [table, *_] = await cloud.describe_route_tables("vpc-sim")
    await cloud.create_route(NewRoute(table, "10.9.0.0/16", ha_vip), token())
    await cloud.find_route(table, "10.9.0.0/16")
    [route] = await cloud.describe_routes(table)
    await cloud.delete_route(route.route_entry_id)
    await cloud.delete_ha_vip(ha_vip, token())


async def network_interfaces(cloud: Watched) -> None:
    ha_vip = await cloud.create_ha_vip(NEW, token())
    await cloud.describe_network_interfaces("vsw-sim")
    kind = InstanceType.NETWORK_INTERFACE
    await cloud.associate(ha_vip, "eni-second", kind, token())
    await cloud.unassociate(ha_vip, "eni-second", kind, token(), force=True)
    await cloud.delete_ha_vip(ha_vip, token())


LIVES: dict[Feature, Callable[[Watched], Awaitable[None]]] = {
    Feature.CORE: core,
    Feature.EIP: eip,
    Feature.ROUTES: routes,
    Feature.NETWORK_INTERFACES: network_interfaces,
}


def allow(sim: RunningCloud, document: dict[str, object]) -> None:
    sim.control.set_policy(ACCOUNT, Policy.model_validate(document))


async def test_the_adapter_calls_all_actions_of_the_table_and_no_others(
    sim: RunningCloud, cloud: AlibabaCloud
) -> None:
    watched = Watched(cloud)
    for life in LIVES.values():
        await life(watched)
    methods = {
        name
        for name in dir(AlibabaCloud)
        if not name.startswith("_") and iscoroutinefunction(getattr(AlibabaCloud, name))
    }
    assert watched.called == methods
    assert {call.action for call in sim.control.calls()} == set(ACTIONS)


@pytest.mark.parametrize("feature", Feature)
async def test_the_policy_of_a_feature_is_enough_for_it(
    sim: RunningCloud, cloud: AlibabaCloud, feature: Feature
) -> None:
    allow(sim, policy_document({Feature.CORE, feature}))
    await LIVES[feature](Watched(cloud))


@pytest.mark.parametrize("feature", [each for each in Feature if each is not Feature.CORE])
async def test_the_core_is_not_enough_for_a_feature(
    sim: RunningCloud, cloud: AlibabaCloud, feature: Feature
) -> None:
    allow(sim, policy_document({Feature.CORE}))
    with pytest.raises(CredentialsRefused) as told:
        await LIVES[feature](Watched(cloud))
    assert feature in ACTIONS[told.value.permission.partition(":")[2]].grants


async def live_all(cloud: AlibabaCloud) -> None:
    for life in LIVES.values():
        await life(Watched(cloud))


@pytest.mark.parametrize(
    "action", [each for each in ACTIONS.values() if each.grants], ids=lambda each: each.name
)
async def test_no_permission_of_the_policies_can_be_spared(
    sim: RunningCloud, cloud: AlibabaCloud, action: Action
) -> None:
    rules: Any = policy_document(tuple(Feature))["Statement"]
    denial = {"Effect": "Deny", "Action": action.permission, "Resource": "*"}
    allow(sim, {"Version": "1", "Statement": [*rules, denial]})
    with pytest.raises(CredentialsRefused) as told:
        await live_all(cloud)
    assert told.value.permission == action.permission


def test_an_action_that_changes_something_is_known_to() -> None:
    known = {action.name: action for action in TABLE.values()}
    for action in ACTIONS.values():
        assert action.changes == known[action.name].changes


def test_the_committed_policies_are_those_it_writes(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    written = CliRunner().invoke(app, ["policy", "--output", str(tmp_path)])
    assert written.exit_code == 0
    committed = pytestconfig.rootpath / "docs" / "ram"
    files = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert files == {file.name: file.read_text() for file in committed.glob("*.json")}
    assert set(files) == {f"{feature}.json" for feature in Feature}


def test_the_command_prints_the_core_and_what_is_asked_for() -> None:
    shown = CliRunner().invoke(app, ["policy", "--feature", "eip"])
    assert shown.exit_code == 0
    assert shown.output == to_json({Feature.CORE, Feature.EIP})
    assert CliRunner().invoke(app, ["policy"]).output == to_json({Feature.CORE})


def test_a_policy_names_the_resources_where_they_are_known() -> None:
    rules: Any = policy_document({Feature.CORE})["Statement"]
    resources = {permission: rule["Resource"] for rule in rules for permission in rule["Action"]}
    assert resources["vpc:DeleteHaVip"] == ["acs:vpc:*:*:havip/*"]
    assert "acs:vpc:*:*:vswitch/*" in resources["vpc:CreateHaVip"]
    assert resources["vpc:DescribeHaVips"] == ["*"]
