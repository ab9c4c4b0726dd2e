"""Whatever is called, in whatever order, some things always hold in the cloud's state."""

import random
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from havip.simcloud.addresses import EipStatus
from havip.simcloud.calls import ECS, VPC, Call
from havip.simcloud.gateway import TABLE
from havip.simcloud.model import Cloud, HaVipStatus
from havip.simcloud.profiles import Quotas
from havip.simcloud.routing import RouteEntryStatus
from havip.simcloud.topology import sample
from havip.simcloud.wire import ApiError, Parameters
from tests.simcloud.conftest import SLOW

SMALL = replace(
    SLOW,
    quotas=Quotas(
        ha_vips_per_account=4,
        ha_vips_per_vpc=4,
        ha_vips_per_instance=2,
        members_per_ha_vip=2,
        eips_per_account=3,
        routes_per_table=3,
        ha_vip_routes_per_table=2,
    ),
)
NUMBERS = st.integers(1, 3)
PICKS = st.integers(0, 2)
PAUSES = st.sampled_from([0.0, 5.0])


# Calls to nobody are refused always; they would take the place of those that matter.
some_ha_vip = precondition(lambda self: self.cloud.ha_vips)
some_eip = precondition(lambda self: self.cloud.eips)


class AnyCalls(RuleBasedStateMachine):
    """Calls in any order at any time, right or wrong."""

    def __init__(self) -> None:
        super().__init__()
        topology = sample()
        self.account = topology.accounts[0]
        self.cloud = Cloud(topology, SMALL, random.Random(1))
        self.now = 0.0

    def call(self, name: str, version: str = VPC, **parameters: str) -> None:
        self.cloud.settle(self.now)
        given = Parameters({"RegionId": "cn-hangzhou", **parameters})
        before = self.states()
        call = Call(self.cloud, self.account, given, self.now)
        try:
            TABLE[version, name].handler(call)
        except ApiError:
            # A refusal changes nothing.
            assert self.states() == before
            assert not call.effect

    def states(self) -> list[object]:
        entries = self.cloud.route_tables["vtb-sim"].entries.values()
        return [
            *(
                (vip.ha_vip_id, vip.status, tuple(vip.members), vip.master)
                for vip in self.cloud.ha_vips.values()
            ),
            *(
                (eip.allocation_id, eip.status, eip.holder_id, eip.bandwidth)
                for eip in self.cloud.eips.values()
            ),
            *((entry.route_entry_id, entry.status) for entry in entries),
        ]

    def pick(self, number: int) -> str:
        ids = list(self.cloud.ha_vips)
        return ids[number % len(ids)] if ids else "havip-nobody"

    def pick_eip(self, number: int) -> str:
        ids = list(self.cloud.eips)
        return ids[number % len(ids)] if ids else "eip-nobody"

    def holders(self) -> list[str]:
        """Give the HaVips that hold an EIP."""
        return [key for key in self.cloud.ha_vips if self.cloud.eips_at(key)]

    def uses(self, instance: str) -> int:
        """Count the HaVips that an instance is in, or on its way into."""
        ha_vips = self.cloud.ha_vips.values()
        return sum(1 for vip in ha_vips if instance in (*vip.members, vip.joining))

    @rule(address=st.sampled_from(["", "10.77.0.11", "10.77.0.99", "10.77.0.98"]), seconds=PAUSES)
    def create(self, address: str, seconds: float) -> None:
        self.call("CreateHaVip", VSwitchId="vsw-sim", IpAddress=address)
        self.now += seconds

    @some_ha_vip
    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        self.call("DeleteHaVip", HaVipId=self.pick(pick))

    @some_ha_vip
    @rule(pick=PICKS, number=NUMBERS, seconds=PAUSES)
    def associate(self, pick: int, number: int, seconds: float) -> None:
        self.call("AssociateHaVip", HaVipId=self.pick(pick), InstanceId=f"i-node{number}")
        self.now += seconds

    @some_ha_vip
    @rule(pick=PICKS, number=NUMBERS, force=st.sampled_from(["True", "False"]))
    def unassociate(self, pick: int, number: int, force: str) -> None:
        member = f"i-node{number}"
        self.call("UnassociateHaVip", HaVipId=self.pick(pick), InstanceId=member, Force=force)

    @rule(number=NUMBERS)
    def stop(self, number: int) -> None:
        self.call("StopInstance", ECS, InstanceId=f"i-node{number}")

    @rule(number=NUMBERS)
    def start(self, number: int) -> None:
        self.call("StartInstance", ECS, InstanceId=f"i-node{number}")

    # Of one alone and once it matters: without instances nothing more could happen.
    @precondition(lambda self: self.uses("i-node3") or self.cloud.eips_at("i-node3"))
    @rule()
    def release(self) -> None:
        self.call("DeleteInstance", ECS, InstanceId="i-node3", Force="True")

    @rule(bandwidth=st.sampled_from(["", "9", "0"]))
    def allocate(self, bandwidth: str) -> None:
        self.call("AllocateEipAddress", Bandwidth=bandwidth)

    @some_eip
    @rule(pick=PICKS)
    def give_back(self, pick: int) -> None:
        self.call("ReleaseEipAddress", AllocationId=self.pick_eip(pick))

    @some_eip
    @rule(pick=PICKS, bandwidth=st.sampled_from(["9", "501"]))
    def widen(self, pick: int, bandwidth: str) -> None:
        self.call(
            "ModifyEipAddressAttribute", AllocationId=self.pick_eip(pick), Bandwidth=bandwidth
        )

    @some_ha_vip
    @some_eip
    @rule(eip=PICKS, pick=PICKS, seconds=PAUSES)
    def bind(self, eip: int, pick: int, seconds: float) -> None:
        self.call(
            "AssociateEipAddress",
            AllocationId=self.pick_eip(eip),
            InstanceId=self.pick(pick),
            InstanceType="HaVip",
        )
        self.now += seconds

    @some_eip
    @rule(eip=PICKS, number=NUMBERS)
    def bind_to_instance(self, eip: int, number: int) -> None:
        self.call(
            "AssociateEipAddress", AllocationId=self.pick_eip(eip), InstanceId=f"i-node{number}"
        )

    @some_eip
    @rule(eip=PICKS)
    def unbind(self, eip: int) -> None:
        self.call("UnassociateEipAddress", AllocationId=self.pick_eip(eip))

    @precondition(lambda self: self.holders())
    @rule(seconds=PAUSES)
    def delete_a_holder(self, seconds: float) -> None:
        self.now += seconds
        self.call("DeleteHaVip", HaVipId=self.holders()[0])

    @some_ha_vip
    @rule(pick=PICKS, number=st.integers(1, 4), seconds=PAUSES)
    def lead(self, pick: int, number: int, seconds: float) -> None:
        self.call(
            "CreateRouteEntry",
            RouteTableId="vtb-sim",
            DestinationCidrBlock=f"192.168.{number}.0/24",
            NextHopType="HaVip",
            NextHopId=self.pick(pick),
        )
        self.now += seconds

    @rule(pick=st.integers(0, 4))
    def lead_no_more(self, pick: int) -> None:
        ids = list(self.cloud.route_tables["vtb-sim"].entries)
        self.call("DeleteRouteEntry", RouteEntryId=ids[pick % len(ids)])

    @some_ha_vip
    @rule(pick=PICKS, number=NUMBERS)
    def announce(self, pick: int, number: int) -> None:
        self.cloud.settle(self.now)
        ha_vip = self.cloud.ha_vips.get(self.pick(pick))
        if ha_vip is not None:
            self.cloud.announce(ha_vip.address, f"02:00:0a:4d:00:{10 + number:02x}")

    @rule(seconds=st.sampled_from([1.0, 5.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def quotas_hold(self) -> None:
        quotas, ha_vips = SMALL.quotas, self.cloud.ha_vips.values()
        assert len(ha_vips) <= quotas.ha_vips_per_account
        assert all(len(vip.members) <= quotas.members_per_ha_vip for vip in ha_vips)
        for instance in ("i-node1", "i-node2", "i-node3"):
            assert self.uses(instance) <= quotas.ha_vips_per_instance

    @invariant()
    def an_eip_has_a_holder_that_is_there_or_none(self) -> None:
        held = [eip.holder_id for eip in self.cloud.eips.values() if eip.holder_id]
        assert len(held) == len(set(held))
        assert set(held) <= set(self.cloud.ha_vips) | set(self.cloud.instances)
        assert len({eip.address for eip in self.cloud.eips.values()}) == len(self.cloud.eips)
        assert len(self.cloud.eips) <= SMALL.quotas.eips_per_account
        for eip in self.cloud.eips.values():
            free = eip.status in {EipStatus.AVAILABLE, EipStatus.RELEASING}
            assert free == (not eip.holder_id)

    @invariant()
    def a_table_is_never_beyond_what_it_may_hold(self) -> None:
        entries = self.cloud.route_tables["vtb-sim"].entries.values()
        custom = [entry for entry in entries if not entry.system]
        assert len(custom) <= SMALL.quotas.ha_vip_routes_per_table
        assert {entry.next_hop_id for entry in custom} <= set(self.cloud.ha_vips)
        assert len({entry.destination for entry in entries}) == len(entries)
        assert len(entries) - len(custom) == 2
        moving = [entry for entry in entries if entry.status is not RouteEntryStatus.AVAILABLE]
        assert len(moving) <= 1

    @invariant()
    def nobody_is_a_member_who_does_not_exist(self) -> None:
        for ha_vip in self.cloud.ha_vips.values():
            assert set(ha_vip.members) <= set(self.cloud.instances)
            assert len(set(ha_vip.members)) == len(ha_vip.members)
            assert ha_vip.master in {"", *ha_vip.members}

    @invariant()
    def no_address_is_given_twice(self) -> None:
        given = [vip.address for vip in self.cloud.ha_vips.values()]
        given += [card.address for card in self.cloud.network_interfaces.values()]
        assert len(set(given)) == len(given)

    @invariant()
    def a_settled_status_tells_of_members(self) -> None:
        for ha_vip in self.cloud.ha_vips.values():
            if ha_vip.status is HaVipStatus.IN_USE:
                assert ha_vip.members
            if ha_vip.status is HaVipStatus.AVAILABLE:
                assert not ha_vip.members

    def teardown(self) -> None:
        """With time, every transition ends."""
        self.cloud.settle(self.now + 60.0)
        assert all(vip.status.settled for vip in self.cloud.ha_vips.values())
        assert all(each.status.settled for each in self.cloud.instances.values())
        assert all(eip.status.settled for eip in self.cloud.eips.values())
        assert not any(table.in_transition for table in self.cloud.route_tables.values())


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
