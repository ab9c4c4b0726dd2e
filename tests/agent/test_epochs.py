"""What an agent knew of epochs outlives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from havip.agent.epochs import Epochs, Memory

UID = "8c0a4b1e-0000-4000-8000-000000000001"


def test_an_epoch_is_there_after_a_restart(tmp_path: Path) -> None:
    Epochs(tmp_path).remember(UID, 7)
    Epochs(tmp_path).remember(UID, 8)
    assert Epochs(tmp_path).recall(UID) == 8


def test_an_unknown_havip_has_no_epoch(tmp_path: Path) -> None:
    assert Epochs(tmp_path / "new").recall(UID) is None


def test_a_file_that_makes_no_sense_counts_as_none(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path)
    epochs.remember(UID, 7)
    next(tmp_path.glob("epoch-*")).write_bytes(b"")
    assert epochs.recall(UID) is None


def test_a_forgotten_havip_leaves_no_file(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path)
    epochs.remember(UID, 7)
    epochs.forget(UID)
    epochs.forget(UID)
    assert list(tmp_path.iterdir()) == []


async def test_an_epoch_is_on_the_disk_once_it_is_said_to_be_kept(tmp_path: Path) -> None:
    epochs = Epochs(tmp_path)
    memory = Memory(epochs, UID)
    for epoch in (7, 8):
        await memory.keep(epoch)
        assert await memory.kept()
        assert epochs.recall(UID) == epoch


async def test_where_the_disk_takes_nothing_an_epoch_is_not_kept_until_it_does(
    tmp_path: Path,
) -> None:
    folder, away = tmp_path / "state", tmp_path / "away"
    epochs = Epochs(folder)
    memory = Memory(epochs, UID)
    folder.rename(away)
    folder.write_text("no folder")
    await memory.keep(7)
    assert not await memory.kept()
    assert memory.failures == 2
    folder.unlink()
    away.rename(folder)
    assert await memory.kept()
    assert epochs.recall(UID) == 7


def test_a_uid_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a uid"):
        Epochs(tmp_path).remember("../../etc/passwd", 1)


def test_lives_are_numbered_by_the_clock(tmp_path: Path) -> None:
    assert Epochs(tmp_path).begin_life(1_000) == 1_000
    assert Epochs(tmp_path).begin_life(2_000) == 2_000


def test_a_clock_that_fell_back_does_not_lower_the_number(tmp_path: Path) -> None:
    Epochs(tmp_path).begin_life(1_000)
    assert Epochs(tmp_path).begin_life(5) == 1_001
