"""More of what may stand in the cloud before the first call, besides `topology.sample`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from .topology import Account, Instance, Topology, Vpc, VSwitch, sample


def two_accounts(instances: int = 3) -> Topology:
    """Give two accounts, each of which sees nothing of the other.

    The first has what `sample` has, and AK-SIM-2 as a second key. The second has the key AK-TWO,
    the vSwitch vsw-two 10.78.0.0/24 in vpc-two, and the instances i-two1 and on.
    """
    first, second = "1000000000000001", "1000000000000002"
    plain = sample(instances)
    return Topology(
        accounts=(*plain.accounts, _key(first, "SIM-2"), _key(second, "TWO")),
        vpcs=(
            *(vpc.model_copy(update={"account_id": first}) for vpc in plain.vpcs),
            Vpc(vpc_id="vpc-two", cidr_block=IPv4Network("10.78.0.0/16"), account_id=second),
        ),
        v_switches=(
            *plain.v_switches,
            VSwitch(
                v_switch_id="vsw-two",
                vpc_id="vpc-two",
                cidr_block=IPv4Network("10.78.0.0/24"),
                zone_id="cn-hangzhou-a",
            ),
        ),
        instances=(
            *plain.instances,
            *(
                Instance(
                    instance_id=f"i-two{number}",
                    name=f"two{number}",
                    v_switch_id="vsw-two",
                    private_ip_address=IPv4Address(f"10.78.0.{10 + number}"),
                    mac_address=f"02:00:0a:4e:00:{10 + number:02x}",
                    network_interface_id=f"eni-two{number}",
                )
                for number in range(1, instances + 1)
            ),
        ),
    )


def _key(account_id: str, name: str) -> Account:
    return Account(
        account_id=account_id, access_key_id=f"AK-{name}", access_key_secret=f"SK-{name}"
    )
