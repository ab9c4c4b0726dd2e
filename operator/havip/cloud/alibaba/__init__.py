"""Alibaba Cloud behind the port, through the official SDK. No other package imports the SDK."""

# ruff: noqa: E402 -- what is to be loaded on demand must be so before anything imports it.

from concurrent.futures import Executor

from havip.cloud.alibaba.demand import load_on_demand

load_on_demand("alibabacloud_ecs20140526.models")
load_on_demand("alibabacloud_vpc20160428.models")

from havip.cloud.alibaba.account import Account
from havip.cloud.alibaba.connection import Connection, Endpoints, Timeouts
from havip.cloud.alibaba.ecs import Ecs
from havip.cloud.alibaba.eips import Eips
from havip.cloud.alibaba.havips import HaVips
from havip.cloud.alibaba.routes import Routes
from havip.cloud.call import Observer, ignore
from havip.cloud.credentials import CredentialSource
from havip.cloud.limiter import Buckets

__all__ = ["AlibabaCloud", "Endpoints", "Timeouts"]


class AlibabaCloud(HaVips, Eips, Routes, Ecs, Account):
    """One account in one region; see ``havip.cloud.port.Cloud``.

    ``credentials`` are asked for a key before every call, in the thread that makes it.
    ``observe`` is told of each call that was sent.
    """

    def __init__(
        self,
        region: str,
        credentials: CredentialSource,
        executor: Executor,
        endpoints: Endpoints | None = None,
        *,
        buckets: Buckets | None = None,
        timeouts: Timeouts | None = None,
        observe: Observer = ignore,
    ) -> None:
        super().__init__(
            Connection(
                region,
                credentials,
                executor,
                endpoints or Endpoints(),
                buckets or Buckets(),
                timeouts=timeouts or Timeouts(),
                observe=observe,
            )
        )
