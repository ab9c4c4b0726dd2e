"""The lives: together they make every change that the controller can make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.lives.life import (
    ADOPTED,
    ADOPTED_ADDRESS,
    FOUND_EIP,
    OTHER_TABLE,
    OWN_EIP,
    STRANGER,
    TABLE,
    Has,
    Life,
    Scene,
    another_ha_vip,
)
from tests.lives.picture import Eip, HaVip, Picture


def spec(**given: Any) -> dict[str, Any]:
    return {"className": "sim", **given}


def route(table: str, destination: str) -> dict[str, str]:
    return {"routeTableId": table, "destination": destination}


def ours(*nodes: int, **more: Any) -> HaVip:
    """Our HaVip with the instances of these nodes."""
    members = frozenset(f"i-node{each}" for each in nodes)
    return HaVip(members, **{"name": "default-web", **more})


ONE = {"members": {"max": 1}}
PAIR = {"nodeSelector": {"pair": "True"}}
EIP = Eip(name="default-web", ours=True)
GONE = Scene("delete", None, None)


MEMBERS = Life(
    "members",
    (
        Scene("three members", spec(), Has(ours(1, 2, 3))),
        Scene(
            "texts and tags",
            spec(description="the door", tags={"team": "net"}),
            Has(ours(1, 2, 3, description="the door", tags={"team": "net"})),
        ),
        Scene(
            "one member",
            spec(description="the door", tags={"team": "net"}, **ONE),
            Has(ours(1, description="the door", tags={"team": "net"})),
        ),
        GONE,
    ),
)

EIP_SWAPPED = Life(
    "eip swapped",
    (
        Scene("an EIP of its own", spec(eip={"allocate": {}}, **ONE), Has(ours(1), EIP)),
        Scene(
            "one that there was",
            spec(eip={"allocationId": OWN_EIP}, **ONE),
            Has(ours(1), names_eip=OWN_EIP),
        ),
        Scene("one of its own again", spec(eip={"allocate": {}}, **ONE), Has(ours(1), EIP)),
        GONE,
    ),
    takes=(OWN_EIP,),
)

EIP_EDITED = Life(
    "eip edited",
    (
        Scene("an EIP", spec(eip={"allocate": {}}, **ONE), Has(ours(1), EIP)),
        Scene(
            "broader, tagged, named and moved",
            spec(
                eip={
                    "allocate": {
                        "bandwidthMbps": 9,
                        "tags": {"team": "net"},
                        "name": "door",
                        "resourceGroupId": "rg-two",
                    }
                },
                resourceGroupId="rg-two",
                **ONE,
            ),
            Has(
                ours(1, group="rg-two"),
                Eip(name="door", bandwidth="9", tags={"team": "net"}, group="rg-two", ours=True),
            ),
        ),
        Scene("none", spec(resourceGroupId="rg-two", **ONE), Has(ours(1, group="rg-two"))),
        GONE,
    ),
)

ROUTES = Life(
    "routes",
    (
        Scene(
            "in two tables",
            spec(
                routes=[route(TABLE, "10.9.0.0/16"), route(OTHER_TABLE, "10.9.0.0/16")],
                **ONE,
            ),
            Has(ours(1), routes=(f"{TABLE} 10.9.0.0/16", f"{OTHER_TABLE} 10.9.0.0/16")),
        ),
        Scene(
            "one of them another",
            spec(
                routes=[route(TABLE, "10.8.0.0/16"), route(OTHER_TABLE, "10.9.0.0/16")],
                **ONE,
            ),
            Has(ours(1), routes=(f"{TABLE} 10.8.0.0/16", f"{OTHER_TABLE} 10.9.0.0/16")),
        ),
        GONE,
    ),
)

INTERFACES = Life(
    "interfaces",
    (
        Scene("instances", spec(members=PAIR), Has(ours(1, 2))),
        Scene(
            "network interfaces",
            spec(members={**PAIR, "type": "NetworkInterface"}),
            Has(HaVip(frozenset({"eni-node1", "eni-node2"}), name="default-web")),
        ),
        GONE,
    ),
)

WHOLE = Life(
    "whole",
    (
        Scene(
            "everything at once",
            spec(
                members={"max": 2},
                eip={"allocate": {}},
                routes=[route(TABLE, "10.9.0.0/16"), route(OTHER_TABLE, "10.9.0.0/16")],
                resourceGroupId="rg-two",
            ),
            Has(
                ours(1, 2, group="rg-two"),
                EIP,
                routes=(f"{TABLE} 10.9.0.0/16", f"{OTHER_TABLE} 10.9.0.0/16"),
            ),
        ),
        GONE,
    ),
)

SUSPENDED = Life(
    "suspended",
    (
        Scene("suspended from the start", spec(suspend=True, **ONE), None),
        Scene("not any more", spec(**ONE), Has(ours(1))),
        Scene("again, with an edit", spec(suspend=True), Has(ours(1))),
        Scene("not any more", spec(members={"max": 2}), Has(ours(1, 2))),
        GONE,
    ),
)

RETAINED = Life(
    "retained",
    (
        Scene(
            "an EIP and a route",
            spec(
                eip={"allocate": {}},
                routes=[route(TABLE, "10.9.0.0/16")],
                deletionPolicy="Retain",
                **ONE,
            ),
            Has(ours(1), EIP, routes=(f"{TABLE} 10.9.0.0/16",)),
        ),
        Scene(
            "delete",
            None,
            Has(ours(1, ours=False), replace(EIP, ours=False), routes=(f"{TABLE} 10.9.0.0/16",)),
        ),
    ),
)

HELD = Life(
    "held",
    (
        Scene("two members", spec(members={"max": 2}), Has(ours(1, 2))),
        Scene(
            "the holder has to go",
            spec(members={"nodeSelector": {"name": "node2"}}),
            Has(ours(2)),
            holder="node1",
        ),
        GONE,
    ),
)

# -- adopted: theirs has the instance i-node4, eip-found, a route and a tag

THEIRS = HaVip(frozenset({STRANGER}), "theirs", "made by hand", tags={"a": "b"}, ours=True)


def and_ours(*nodes: int, **more: Any) -> HaVip:
    """Theirs with the instances of these nodes as well."""
    members = THEIRS.members | {f"i-node{each}" for each in nodes}
    return replace(THEIRS, members=members, **more)


def without_theirs(before: Picture) -> Picture:
    return Picture(
        {key: each for key, each in before.ha_vips.items() if key != ADOPTED},
        {**before.eips, FOUND_EIP: replace(before.eips[FOUND_EIP], bound_to="")},
        {key: hop for key, hop in before.routes.items() if hop != ADOPTED},
    )


GIVEN_BACK = Life(
    "given back",
    (
        Scene(
            "adopted by its id",
            spec(
                adopt={"haVipId": ADOPTED},
                description="ours for a while",
                tags={"team": "net"},
                members={"max": 2},
                routes=[route(OTHER_TABLE, "10.9.0.0/16")],
            ),
            Has(
                and_ours(1, 2, description="ours for a while", tags={"a": "b", "team": "net"}),
                routes=(f"{OTHER_TABLE} 10.9.0.0/16",),
            ),
        ),
        GONE,
    ),
    before=another_ha_vip,
    takes=(ADOPTED,),
)

TAKEN_OVER = Life(
    "taken over",
    (
        Scene(
            "adopted by its address",
            spec(adopt={"address": ADOPTED_ADDRESS}, deletionPolicy="Delete", **ONE),
            Has(and_ours(1)),
        ),
        Scene(
            "with its members alone",
            spec(
                adopt={"address": ADOPTED_ADDRESS},
                deletionPolicy="Delete",
                members={"max": 2, "exclusive": True},
            ),
            Has(replace(THEIRS, members=frozenset({"i-node1", "i-node2"}))),
        ),
        Scene("delete", None, None, also=without_theirs),
    ),
    before=another_ha_vip,
    takes=(ADOPTED, STRANGER, FOUND_EIP, "10.50.0.0/16"),
)

LEFT_AS_IT_IS = Life(
    "left as it is",
    (
        Scene(
            "adopted, with its EIP named",
            spec(
                adopt={"haVipId": ADOPTED},
                deletionPolicy="Retain",
                eip={"allocationId": FOUND_EIP},
                **ONE,
            ),
            Has(and_ours(1)),
        ),
        Scene("delete", None, Has(and_ours(1, ours=False))),
    ),
    before=another_ha_vip,
    takes=(ADOPTED, FOUND_EIP),
)

LIVES = {
    each.name: each
    for each in (
        MEMBERS,
        EIP_SWAPPED,
        EIP_EDITED,
        ROUTES,
        INTERFACES,
        WHOLE,
        SUSPENDED,
        RETAINED,
        HELD,
        GIVEN_BACK,
        TAKEN_OVER,
        LEFT_AS_IT_IS,
    )
}
"""By name."""
