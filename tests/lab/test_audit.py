"""`make audit` says clean only of what the database of advisories knows. The reports are real."""

import json
from typing import Any

from audit import CLEAN, HOLES, NOT_AUDITED, verdict

HOLE = {
    "id": "PYSEC-2021-66",
    "fix_versions": ["2.11.3"],
    "aliases": ["CVE-2020-28493"],
    "description": "ReDoS",
}
OPEN: dict[str, Any] = {"name": "jinja2", "version": "2.10.1", "vulns": [HOLE]}
SOUND: dict[str, Any] = {"name": "markupsafe", "version": "1.1.1", "vulns": []}
UNKNOWN: dict[str, Any] = {
    "name": "markupsafe",
    "skip_reason": "Dependency not found on PyPI and could not be audited: markupsafe (1.1.1)",
}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_packages_that_were_all_looked_up_are_clean() -> None:
    assert verdict(report(SOUND), "No known vulnerabilities found\n") == (
        CLEAN,
        "no known hole in any of 1 packages",
    )


def test_a_hole_is_named_with_the_version_that_mends_it() -> None:
    assert verdict(report(OPEN, SOUND), "Found 1 known vulnerability in 1 package\n") == (
        HOLES,
        "jinja2 2.10.1: PYSEC-2021-66, mended in 2.11.3",
    )


def test_a_package_that_the_database_does_not_have_is_not_clean() -> None:
    # What pip-audit says of it itself.
    status, said = verdict(report(SOUND, UNKNOWN), "No known vulnerabilities found\n")

    assert status == NOT_AUDITED
    assert said.startswith("NOT AUDITED: nothing is known about 1 of 2 packages")
    assert said.endswith("could not be audited: markupsafe (1.1.1)")


def test_what_is_not_known_hides_no_hole() -> None:
    status, said = verdict(report(OPEN, UNKNOWN), "Found 1 known vulnerability in 1 package\n")

    assert status == NOT_AUDITED
    assert said.startswith("jinja2 2.10.1: PYSEC-2021-66, mended in 2.11.3\nNOT AUDITED:")


def test_a_look_that_failed_says_why() -> None:
    status, said = verdict("", "Traceback\nConnectionError: Failed to resolve 'the.database'\n")

    assert status == NOT_AUDITED
    assert said.endswith("ConnectionError: Failed to resolve 'the.database'")
