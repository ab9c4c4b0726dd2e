"""Settings that make a node with several interfaces serve the wrong one are said, not changed."""

from __future__ import annotations

import pytest

from havip.agent.sysctls import findings, read

from .conftest import PLACE, Segment, run

GOOD = {("eth1", "arp_ignore"): 1, ("eth1", "arp_announce"): 2}


def said(settings: dict[tuple[str, str], int], *in_subnet: str, elsewhere: str = "") -> list[str]:
    return findings(
        PLACE, in_subnet, elsewhere.split(), lambda name, key: settings.get((name, key), 0)
    )


def test_a_node_with_one_interface_is_left_in_peace() -> None:
    assert said({("eth0", "rp_filter"): 1}) == []


def test_settings_that_do_no_harm_are_not_worth_a_word() -> None:
    assert said(GOOD, "eth1", elsewhere="eth1") == []


@pytest.mark.parametrize("where", [{"in_subnet": ["eth1"]}, {"elsewhere": ["eth1"]}])
def test_a_strict_rp_filter_on_the_address_s_interface_is_said(where: dict[str, list[str]]) -> None:
    settings = GOOD | {("all", "rp_filter"): 1}
    arguments: dict[str, list[str]] = {"in_subnet": [], "elsewhere": []} | where
    [finding] = findings(PLACE, **arguments, ask=lambda name, key: settings.get((name, key), 0))
    assert "net.ipv4.conf.eth0.rp_filter=2" in finding


def test_a_loose_rp_filter_does_no_harm_though_all_are_strict() -> None:
    assert said(GOOD | {("all", "rp_filter"): 1, ("eth0", "rp_filter"): 2}, "eth1") == []


def test_another_interface_that_answers_arp_for_the_address_is_said() -> None:
    [finding] = said(GOOD | {("eth1", "arp_ignore"): 0}, "eth1")
    assert "net.ipv4.conf.eth1.arp_ignore=1" in finding


def test_another_interface_that_names_the_address_in_its_requests_is_said() -> None:
    [finding] = said(GOOD | {("eth1", "arp_announce"): 0}, "eth1")
    assert "net.ipv4.conf.eth1.arp_announce=2" in finding


def test_what_holds_for_all_interfaces_counts() -> None:
    assert said({("all", "arp_ignore"): 1, ("all", "arp_announce"): 2}, "eth1") == []


@pytest.mark.kernel
def test_the_settings_are_those_of_the_node(segment: Segment) -> None:
    run("ip", "netns", "exec", segment.node, "sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore=2")
    assert read("eth0", "arp_ignore") == 2
    assert read("eth9", "arp_ignore") == 0
