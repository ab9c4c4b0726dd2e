"""What set-up finds, and what it tells the user to do when it cannot do it itself."""

import os
import sys
from pathlib import Path

import pytest

import setup as set_up
from lab import binaries, prometheus


def install(folder: Path, *programs: str) -> Path:
    """Put programs into a folder that do nothing."""
    folder.mkdir()
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which the control plane is in none of the places."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(install(tmp_path / "path")))
    monkeypatch.setenv("HAVIP_LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_control_plane_that_is_nowhere_is_not_found(nowhere: Path) -> None:
    assert binaries.find(binaries.API) is None


def test_the_folder_that_the_user_names_comes_first(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = install(nowhere / "assets", "etcd", "kube-apiserver")
    on_path = install(nowhere / "other", "etcd", "kube-apiserver")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(named))
    monkeypatch.setenv("PATH", str(on_path))

    found = binaries.find(binaries.API)

    assert found == {name: named / name for name in binaries.API}


def test_a_place_with_one_of_the_two_does_not_count(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(install(nowhere / "half", "etcd")))
    binaries.cache_folder().parent.mkdir(parents=True)
    cache = install(binaries.cache_folder(), "etcd", "kube-apiserver")

    found = binaries.find(binaries.API)

    assert found is not None
    assert found["etcd"].parent == cache


def test_a_cluster_is_made_of_programs_from_one_place(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = install(nowhere / "half", "kubelet", "kube-scheduler")
    monkeypatch.setenv("PATH", str(half))
    binaries.cache_folder().parent.mkdir(parents=True)
    assert binaries.find(binaries.CLUSTER) is None

    cache = install(binaries.cache_folder(), *binaries.CLUSTER)

    found = binaries.find(binaries.CLUSTER)
    assert found is not None
    assert found["kubelet"].parent == cache


def test_the_api_does_with_less_than_a_cluster(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(install(nowhere / "api", "etcd", "kube-apiserver")))

    assert binaries.find(binaries.API) is not None
    assert binaries.find(binaries.CLUSTER) is None


def test_helm_on_the_path_comes_before_the_one_that_was_built(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = nowhere / "cache" / f"helm-{binaries.HELM_VERSION}"
    cache.parent.mkdir()
    assert binaries.find_helm() is None
    install(cache, "helm")
    assert binaries.find_helm() == cache / "helm"

    on_path = install(nowhere / "own", "helm")
    monkeypatch.setenv("PATH", str(on_path))

    assert binaries.find_helm() == on_path / "helm"


def test_without_go_and_uv_the_user_is_told_what_to_install(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(nowhere / "python"))

    with pytest.raises(binaries.BinariesMissingError, match=r"Go 1\.24 or newer .* KUBEBUILDER"):
        binaries.find_or_build(binaries.API)


def test_a_user_who_is_not_root_gets_the_exact_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(set_up, "DEBIAN_PACKAGES", {"rare-tools": "no-such-program"})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    status = set_up.main(["system"])

    assert status == 1
    assert "sudo apt-get install --yes --no-install-recommends rare-tools" in (
        capsys.readouterr().err
    )


def test_an_environment_that_is_as_the_lock_file_says_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synced = []
    monkeypatch.setattr(set_up, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(set_up, "uv", lambda: "uv")
    monkeypatch.setattr(set_up, "_run", lambda *command: synced.append(command))
    assert set_up.main(["environment"]) == 0
    capsys.readouterr()

    assert set_up.main(["environment"]) == 0

    assert len(synced) == 1
    assert capsys.readouterr().err == ""


def test_an_unpacked_prometheus_is_found_without_being_installed(nowhere: Path) -> None:
    assert prometheus.find("promtool") is None
    programs = prometheus.cache_folder() / "usr" / "bin"
    programs.parent.mkdir(parents=True)
    install(programs, "prometheus", "promtool")

    assert prometheus.find("promtool") == programs / "promtool"
    assert set_up.main(["prometheus"]) == 0


def test_where_no_package_can_be_fetched_the_user_is_told_to_bring_prometheus(
    nowhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set_up.main(["prometheus"]) == 1

    assert "put it on PATH" in capsys.readouterr().err
