"""Who holds the address after whom: what counts as still, as waited for, and as followed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from havip.controller.observe import Observation, RegisterFacts
from havip.controller.succession import CLOUD_FOLLOWS_SECONDS, LEAVING_SECONDS, Succession
from tests.controller.plan.builders import NOW, facts, havip, held_by, member, node, seen


def picture(holder: int, master: int) -> Observation:
    """One holds by the register, one is the master in the cloud."""
    mine = facts("i-1", "i-2", master_instance_id=f"i-{master}")
    return seen(havip(), mine, node(1), node(2), **held_by(holder))


def changed_hands() -> Succession:
    """The address went from node1 to node2 at 10 s, and the cloud names node1 still."""
    succession = Succession()
    succession.cloud_moved_at(picture(1, 1), listed_at=0, now=0)
    succession.cloud_moved_at(picture(2, 1), listed_at=9, now=10)
    return succession


def test_a_register_is_still_from_when_its_version_was_first_seen() -> None:
    succession, first = Succession(), RegisterFacts("node1", 1, resource_version="1")
    assert succession.register_still(first, 5) == 0
    assert succession.register_still(first, 8) == 3
    assert succession.register_still(replace(first, resource_version="2"), 9) == 0


def test_a_leaver_is_waited_for_until_it_had_its_time() -> None:
    succession = Succession()
    leaving = havip(state={"members": [member(1, "Leaving"), member(2)]})
    assert succession.waited_for(leaving, 0) == frozenset()
    assert succession.waited_for(leaving, LEAVING_SECONDS - 1) == frozenset()
    assert succession.waited_for(leaving, LEAVING_SECONDS) == {"node1"}


def test_who_stays_and_leaves_later_has_its_time_anew() -> None:
    succession = Succession()
    leaving = havip(state={"members": [member(1, "Leaving")]})
    staying = havip(state={"members": [member(1)]})
    succession.waited_for(leaving, 0)
    succession.waited_for(staying, 5)
    succession.waited_for(leaving, 6)
    assert succession.waited_for(leaving, LEAVING_SECONDS + 5) == frozenset()


def test_the_cloud_followed_when_it_was_first_seen_to_name_the_holder() -> None:
    succession, later = changed_hands(), NOW + timedelta(seconds=9)
    followed = picture(2, 2)
    assert succession.cloud_moved_at(followed, listed_at=11, now=12) == NOW
    assert succession.cloud_moved_at(replace(followed, now=later), listed_at=20, now=21) == NOW


def test_a_listing_from_before_the_change_of_holder_proves_nothing() -> None:
    assert changed_hands().cloud_moved_at(picture(2, 2), listed_at=9, now=12) is None


def test_when_the_cloud_followed_a_holder_from_before_our_start_nobody_knows() -> None:
    succession = Succession()
    assert succession.cloud_moved_at(picture(1, 1), listed_at=1, now=0) is None
    assert succession.awaited_since(0) is None


def test_the_cloud_is_awaited_from_a_change_of_holder_until_it_follows() -> None:
    succession = changed_hands()
    assert succession.awaited_since(12) == 10
    succession.cloud_moved_at(picture(2, 2), listed_at=11, now=12)
    assert succession.awaited_since(12) is None


def test_a_cloud_that_does_not_follow_is_not_awaited_for_ever() -> None:
    assert changed_hands().awaited_since(10 + CLOUD_FOLLOWS_SECONDS) is None


def test_without_a_holder_there_is_nothing_to_follow() -> None:
    succession = changed_hands()
    empty = replace(picture(2, 2), register=RegisterFacts("", 4))
    assert succession.cloud_moved_at(empty, listed_at=20, now=20) is None
    assert succession.awaited_since(20) is None
