"""Whatever is called, in whatever order, some things always hold in the cloud's state."""

import random
from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from havip.simcloud.addresses import EipStatus
from havip.simcloud.calls import ECS, VPC, Call
from havip.simcloud.gateway import TABLE
from havip.simcloud.machines import InterfaceStatus
from havip.simcloud.model import Cloud, HaVipStatus, MemberKind
from havip.simcloud.profiles import Quotas
from havip.simcloud.routing import RouteEntryStatus
from havip.simcloud.topology import NetworkInterface, sample
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
CARDS = st.sampled_from(["eni-1", "eni-2", "eni-node2"])
PICKS = st.integers(0, 2)
PAUSES = st.sampled_from([0.0, 5.0])


# Calls to nobody are refused always; they would take the place of those that matter.
some_ha_vip = precondition(lambda self: self.cloud.ha_vips)
some_eip = precondition(lambda self: self.cloud.eips)


class AnyCalls(RuleBasedStateMachine):
    """Calls in any order at any time, right or wrong."""

    def __init__(self) -> None:
        super().__init__()
        topology = sample().model_copy(
            update={
                "network_interfaces": tuple(
                    NetworkInterface(
                        network_interface_id=f"eni-{number}",
                        v_switch_id="vsw-sim",
                        private_ip_address=IPv4Address(f"10.77.0.{60 + number}"),
                        mac_address=f"02:00:0a:4d:00:{60 + number:02x}",
                        instance_id="i-node1",
                    )
                    for number in (1, 2)
                )
            }
        )
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
                (card.network_interface_id, card.status, card.instance_id)
                for card in self.cloud.network_interfaces.values()
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

    def uses(self, member: str) -> int:
        """Count the HaVips that a member is in, or on its way into."""
        ha_vips = self.cloud.ha_vips.values()
        return sum(1 for vip in ha_vips if member in (*vip.members, vip.joining))

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

    @rule(pick=PICKS, card=CARDS, seconds=PAUSES)
    def associate_interface(self, pick: int, card: str, seconds: float) -> None:
        kind = MemberKind.NETWORK_INTERFACE
        self.call("AssociateHaVip", HaVipId=self.pick(pick), InstanceId=card, InstanceType=kind)
        self.now += seconds

    @rule(pick=PICKS, card=CARDS)
    def unassociate_interface(self, pick: int, card: str) -> None:
        given = {"InstanceId": card, "InstanceType": MemberKind.NETWORK_INTERFACE, "Force": "True"}
        self.call("UnassociateHaVip", HaVipId=self.pick(pick), **given)

    @rule(card=CARDS, number=NUMBERS, seconds=PAUSES)
    def attach(self, card: str, number: int, seconds: float) -> None:
        given = {"NetworkInterfaceId": card, "InstanceId": f"i-node{number}"}
        self.call("AttachNetworkInterface", ECS, **given)
        self.now += seconds

    @rule(card=CARDS, number=NUMBERS, seconds=PAUSES)
    def detach(self, card: str, number: int, seconds: float) -> None:
        given = {"NetworkInterfaceId": card, "InstanceId": f"i-node{number}"}
        self.call("DetachNetworkInterface", ECS, **given)
        self.now += seconds

    @precondition(lambda self: self.uses("eni-2"))
    @rule()
    def delete_interface(self) -> None:
        self.call("DeleteNetworkInterface", ECS, NetworkInterfaceId="eni-2")

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

    @rule(pick=PICKS, card=CARDS)
    def announce_by(self, pick: int, card: str) -> None:
        self.cloud.settle(self.now)
        ha_vip = self.cloud.ha_vips.get(self.pick(pick))
        interface = self.cloud.network_interfaces.get(card)
        if ha_vip is not None and interface is not None:
            counted = self.cloud.announce(ha_vip.address, interface.mac)
            assert not counted or (interface.instance_id and ha_vip.master in ha_vip.members)

    @rule(seconds=st.sampled_from([1.0, 5.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def quotas_hold(self) -> None:
        quotas, ha_vips = SMALL.quotas, self.cloud.ha_vips.values()
        assert len(ha_vips) <= quotas.ha_vips_per_account
        assert all(len(vip.members) <= quotas.members_per_ha_vip for vip in ha_vips)
        for member in ("i-node1", "i-node2", "i-node3", "eni-1", "eni-2"):
            assert self.uses(member) <= quotas.ha_vips_per_instance

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
            by_card = ha_vip.member_kind is MemberKind.NETWORK_INTERFACE
            known = self.cloud.network_interfaces if by_card else self.cloud.instances
            assert set(ha_vip.members) <= set(known)
            assert len(set(ha_vip.members)) == len(ha_vip.members)
            assert ha_vip.master in {"", *ha_vip.members}

    @invariant()
    def an_interface_is_with_an_instance_or_free(self) -> None:
        for card in self.cloud.network_interfaces.values():
            free = card.status is InterfaceStatus.AVAILABLE
            assert free == (card.instance_id is None)
            assert free or card.instance_id in self.cloud.instances

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
        resting = {InterfaceStatus.AVAILABLE, InterfaceStatus.IN_USE}
        assert all(each.status in resting for each in self.cloud.network_interfaces.values())
        assert all(eip.status.settled for eip in self.cloud.eips.values())
        assert not any(table.in_transition for table in self.cloud.route_tables.values())


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
