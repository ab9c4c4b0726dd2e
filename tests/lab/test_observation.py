"""What the lab concludes from what it saw."""

import pytest

from lab.faults import Result, judge
from lab.observation import OwnerReport, Ownership, Probe, ProbeReport, percentile


def probes(*answers: str | None) -> ProbeReport:
    """Probes a tenth of a second apart, with the node that answered each."""
    return ProbeReport(
        tuple(
            Probe(number, number / 10, None if node is None else number / 10 + 0.001, node)
            for number, node in enumerate(answers)
        ),
        doubly_answered=(),
    )


def owners(*spans: tuple[str, float, float | None]) -> OwnerReport:
    return OwnerReport(tuple(Ownership(*span) for span in spans), longest_gap=0.005)


def test_a_client_that_is_always_answered_saw_no_outage() -> None:
    assert probes("a", "a", "a").outage == 0
    assert probes("a", "a", "a").lost == 0


def test_an_outage_lasts_from_the_first_lost_probe_to_the_next_answered_one() -> None:
    seen = probes("a", None, None, "b", "b")

    assert seen.outage == pytest.approx(0.2)
    assert seen.lost == 2


def test_the_longest_of_several_outages_counts() -> None:
    assert probes("a", None, "b", None, None, None, "b").outage == pytest.approx(0.3)


def test_an_outage_that_did_not_end_is_endless() -> None:
    assert probes("a", None).outage == float("inf")


def test_each_outage_tells_when_it_began_and_who_answered_before_and_after() -> None:
    first, second = probes("a", None, "b", "b", None, None).outages

    assert (first.began, first.seconds) == pytest.approx((0.1, 0.1))
    assert (first.before, first.after) == ("a", "b")
    assert (second.before, second.after, second.seconds) == ("b", "", float("inf"))


def test_the_nodes_that_answered_are_told_in_turns() -> None:
    assert probes("a", "a", None, "b", "a").answered_by == ("a", "b", "a")


def test_owners_one_after_the_other_do_not_overlap() -> None:
    assert owners(("a", 0, 1), ("b", 1, 2)).overlaps == ()


def test_owners_at_the_same_time_overlap_for_what_they_share() -> None:
    ((first, second, seconds),) = owners(("a", 0, 1.5), ("b", 1, 2)).overlaps

    assert (first, second) == ("a", "b")
    assert seconds == pytest.approx(0.5)


def test_an_owner_that_goes_on_overlaps_everyone_after_it() -> None:
    assert owners(("a", 0, None), ("b", 1, 2)).overlaps == (("a", "b", 1),)


def test_a_node_does_not_overlap_itself() -> None:
    assert owners(("a", 0, None), ("a", 1, 2)).overlaps == ()


def test_half_of_the_values_do_not_exceed_the_median() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([1, 2, 3, 4], 50) == 2
    assert percentile([7], 99) == 7


def crash(outage: float, double: str = "") -> Result:
    return Result("crash", outage, 0, ("a", "b"), double, 0.005)


def test_the_matrix_passes_when_half_of_the_outages_are_within_the_bound() -> None:
    assert judge("Fast", [crash(0.2), crash(0.25), crash(5.0)]) == []


def test_the_matrix_fails_when_the_median_is_over_the_bound() -> None:
    (sentence,) = judge("Fast", [crash(0.4)])

    assert "p50 400 ms is over 300 ms" in sentence


def test_the_matrix_fails_on_a_single_double_owner() -> None:
    (sentence,) = judge("Fast", [crash(0.2), crash(0.2, "kernels: a and b for 9 ms")])

    assert "a and b for 9 ms" in sentence
