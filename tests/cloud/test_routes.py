"""Routes to HaVips, over the real SDK."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from havip.api.errors import Busy, CloudError, InvalidSpec, NotFound, QuotaExceeded, RouteTaken
from havip.cloud.alibaba import AlibabaCloud
from havip.cloud.port import NewRoute
from havip.simcloud.profiles import Profile, Quotas
from havip.simcloud.server import RunningCloud, running
from havip.simcloud.topology import RouteEntry
from tests.cloud.conftest import NEW, Connect, token, topology

TABLE = "vtb-own"


@pytest.fixture
async def ha_vip(cloud: AlibabaCloud) -> str:
    return await cloud.create_ha_vip(NEW, token())


async def test_a_route_that_is_made_is_described(cloud: AlibabaCloud, ha_vip: str) -> None:
    new = NewRoute(TABLE, "10.9.0.0/16", ha_vip, "havip", "to the shop")
    await cloud.create_route(new, token())
    [facts] = await cloud.describe_routes(TABLE)
    assert facts.route_entry_id
    assert facts.route_table_id == TABLE
    assert facts.destination == "10.9.0.0/16"
    assert (facts.next_hop_type, facts.next_hop_id) == ("HaVip", ha_vip)
    assert (facts.name, facts.description) == ("havip", "to the shop")
    assert facts.settled


async def test_a_deleted_route_is_gone(cloud: AlibabaCloud, ha_vip: str) -> None:
    await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
    [facts] = await cloud.describe_routes(TABLE)
    await cloud.delete_route(facts.route_entry_id)
    assert await cloud.describe_routes(TABLE) == ()


async def test_a_route_on_its_way_is_not_settled(connect: Connect) -> None:
    with running(topology(), Profile("slow", create_route=(60, 60))) as sim:
        cloud = connect(sim.endpoint)
        ha_vip = await cloud.create_ha_vip(NEW, token())
        await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
        [facts] = await cloud.describe_routes(TABLE)
        assert not facts.settled
        with pytest.raises(Busy):
            await cloud.create_route(NewRoute(TABLE, "10.8.0.0/16", ha_vip), token())


async def test_only_routes_to_ha_vips_are_listed(cloud: AlibabaCloud) -> None:
    """The table has the cloud's own entries as well."""
    assert await cloud.describe_routes(TABLE) == ()


async def test_a_route_is_found_by_its_block_wherever_it_leads(connect: Connect) -> None:
    given = topology()
    entry = RouteEntry(
        destination_cidr_block=IPv4Network("10.9.0.0/16"),
        next_hop_type="Instance",
        next_hop_id="i-node1",
    )
    [table] = given.route_tables
    tables = (table.model_copy(update={"entries": (entry,)}),)
    with running(given.model_copy(update={"route_tables": tables})) as sim:
        cloud = connect(sim.endpoint)
        found = await cloud.find_route(TABLE, "10.9.0.0/16")
        assert found is not None
        assert (found.next_hop_type, found.next_hop_id) == ("Instance", "i-node1")
        assert await cloud.describe_routes(TABLE) == ()


async def test_a_block_within_another_is_not_found(cloud: AlibabaCloud, ha_vip: str) -> None:
    await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
    assert await cloud.find_route(TABLE, "10.9.0.0/24") is None
    assert await cloud.find_route(TABLE, "10.0.0.0/8") is None


async def test_the_route_tables_of_a_vpc_are_listed(cloud: AlibabaCloud) -> None:
    tables = await cloud.describe_route_tables("vpc-sim")
    assert TABLE in tables
    assert len(tables) == 2  # the VPC's own, too
    assert await cloud.describe_route_tables("vpc-nowhere") == ()


async def test_listings_of_routes_have_all_pages(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("havip.cloud.alibaba.routes.ENTRIES_PER_PAGE", 2)
    monkeypatch.setattr("havip.cloud.alibaba.routes.TABLES_PER_PAGE", 1)
    with running(topology(), Profile("wide", quotas=Quotas(ha_vip_routes_per_table=7))) as sim:
        cloud = connect(sim.endpoint)
        ha_vip = await cloud.create_ha_vip(NEW, token())
        blocks = {f"10.{number}.0.0/16" for number in range(1, 8)}
        for block in blocks:
            await cloud.create_route(NewRoute(TABLE, block, ha_vip), token())
        assert {each.destination for each in await cloud.describe_routes(TABLE)} == blocks
        assert len(await cloud.describe_route_tables("vpc-sim")) == 2


async def test_the_same_token_makes_no_second_route(cloud: AlibabaCloud, ha_vip: str) -> None:
    once = token()
    for _ in range(2):
        await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), once)
    assert len(await cloud.describe_routes(TABLE)) == 1


async def test_deleting_a_route_that_is_gone_is_done(cloud: AlibabaCloud) -> None:
    await cloud.delete_route("rte-nowhere")


async def test_a_block_that_has_an_entry_is_told_apart(cloud: AlibabaCloud, ha_vip: str) -> None:
    await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
    with pytest.raises(RouteTaken) as told:
        await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
    assert told.value.reason == "RouteRefused"


async def test_a_block_that_cannot_be_routed_is_the_users_matter(
    cloud: AlibabaCloud, ha_vip: str
) -> None:
    with pytest.raises(InvalidSpec) as told:
        await cloud.create_route(NewRoute(TABLE, "10.77.0.0/25", ha_vip), token())
    assert told.value.reason == "RouteRefused"


async def test_a_table_that_is_not_there_is_the_users_matter(
    cloud: AlibabaCloud, ha_vip: str
) -> None:
    calls = (
        cloud.describe_routes("vtb-nowhere"),
        cloud.find_route("vtb-nowhere", "10.9.0.0/16"),
        cloud.create_route(NewRoute("vtb-nowhere", "10.9.0.0/16", ha_vip), token()),
    )
    for call in calls:
        with pytest.raises(NotFound) as told:
            await call
        assert told.value.reason == "RouteTableNotFound"


async def test_a_full_table_is_the_users_matter(cloud: AlibabaCloud, ha_vip: str) -> None:
    for number in range(5):
        await cloud.create_route(NewRoute(TABLE, f"10.{number}.0.0/16", ha_vip), token())
    with pytest.raises(QuotaExceeded):
        await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())


@pytest.mark.parametrize("kind", ["drop-after", "error-500-after", "garbled", "malformed"])
async def test_a_route_without_a_clear_answer_may_have_been_made(
    sim: RunningCloud, cloud: AlibabaCloud, ha_vip: str, kind: str
) -> None:
    sim.control.fault("CreateRouteEntry", kind)
    with pytest.raises(CloudError) as told:
        await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
    assert told.value.outcome_unknown
    assert len(await cloud.describe_routes(TABLE)) == 1


@pytest.mark.parametrize("kind", ["drop-after", "error-500-after", "garbled", "malformed"])
async def test_a_route_may_have_been_deleted_without_a_clear_answer(
    sim: RunningCloud, cloud: AlibabaCloud, ha_vip: str, kind: str
) -> None:
    await cloud.create_route(NewRoute(TABLE, "10.9.0.0/16", ha_vip), token())
    [facts] = await cloud.describe_routes(TABLE)
    sim.control.fault("DeleteRouteEntry", kind)
    with pytest.raises(CloudError) as told:
        await cloud.delete_route(facts.route_entry_id)
    assert told.value.outcome_unknown
    assert await cloud.describe_routes(TABLE) == ()
