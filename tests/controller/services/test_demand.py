"""What is remembered of Services and HaVips, whichever way it was heard of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from kubernetes import client

from havip.api.havip import HaVip
from havip.controller.kube import Kube
from havip.controller.poller import Pace
from havip.controller.services.demand import still_asks, whom_to_ask
from havip.controller.services.workers import Services
from havip.controller.world import World

from .pure import ALONE, havip_body, service


def services() -> Services:
    return Services(World(), Kube(client.ApiClient()), Pace(), tell=lambda *_: None)


def version(number: int, **facts: Any) -> dict[str, Any]:
    body = service(**facts).to_json()
    body["metadata"]["resourceVersion"] = str(number)
    return body


@pytest.mark.parametrize("first", ["Services", "the rest"])
async def test_no_service_is_looked_at_while_anything_is_known_in_part(first: str) -> None:
    looked = asyncio.Event()

    def may_act() -> bool:
        looked.set()
        return False

    world, kube = World(), Kube(client.ApiClient())
    seen = Services(world, kube, Pace(), tell=lambda *_: None, may_act=may_act)
    become_known = [world.services_known.set, seen.stir]
    one, other = become_known if first == "Services" else reversed(become_known)

    one()
    seen.heard(version(9), gone=False)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not looked.is_set()

    other()
    await looked.wait()


async def test_what_a_write_made_does_not_hide_what_the_watch_brought_meanwhile() -> None:
    seen = services()
    seen.saw_service(version(9), gone=False)
    seen.saw_service(version(11, annotations={"profile": "Fast"}), gone=False)
    seen.wrote_service(version(10))
    [claim] = seen.demand.sight(ALONE, None).claims
    assert claim.asks == {"profile": "Fast"}
    seen.wrote_service(version(12))
    [claim] = seen.demand.sight(ALONE, None).claims
    assert claim.asks == {}


async def test_what_a_write_made_does_not_bring_back_a_service_that_is_gone() -> None:
    seen = services()
    seen.saw_service(version(9), gone=False)
    seen.saw_service(version(9), gone=True)
    seen.wrote_service(version(10))
    assert seen.demand.sight(ALONE, None).claims == ()


async def test_the_same_holds_for_a_havip() -> None:
    seen = services()

    def at(number: int, **facts: Any) -> dict[str, Any]:
        body = havip_body(**facts)
        body["metadata"]["resourceVersion"] = str(number)
        return body

    seen.wrote_havip(at(10))
    assert seen.world.havips == {}
    seen.world.saw_havip(at(11, description="newer"))
    seen.wrote_havip(at(10))
    [havip] = seen.world.havips.values()
    assert havip.spec.description == "newer"
    seen.wrote_havip(at(12))
    [havip] = seen.world.havips.values()
    assert havip.spec.description == ""


def test_a_havip_is_kept_while_one_of_its_services_asks_for_it() -> None:
    havip = HaVip.from_json(havip_body(serves="default/web,shop/b", owners=("web", "c")))
    assert set(whom_to_ask(havip)) == {"default/web", "shop/b", "default/c"}
    assert still_asks(service().to_json(), havip)
    others = (
        None,
        service(deleting=True).to_json(),
        service(type="ClusterIP").to_json(),
        service(loadBalancerClass="havip.dev/other").to_json(),
        service(annotations={"share": "front"}).to_json(),
    )
    assert not any(still_asks(each, havip) for each in others)
