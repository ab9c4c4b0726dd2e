"""A node learns from the metadata service who it is in the cloud."""

from __future__ import annotations

import pytest

from havip.agent.instance import MetadataError, identify


async def test_nobody_there_is_said_in_a_sentence() -> None:
    with pytest.raises(MetadataError, match=r"metadata service at http://127\.0\.0\.1:1"):
        await identify("http://127.0.0.1:1")
