"""Tell the whole story; the exit status is 0 only if every promise held.

make e2e
"""

from __future__ import annotations

import signal
import sys
import time

from lab.chart import ChartError
from lab.stage import Stage
from lab.watching import WitnessError
from lab.whole.cluster import TROUBLES, WholeCluster
from rehearsal import failing, installing, measuring
from rehearsal.images import build, load
from rehearsal.setting import Setting

ACTS = (
    installing.install,
    installing.use,
    failing.node_dies,
    failing.agent_is_deleted,
    failing.node_is_cordoned,
    failing.node_is_drained,
    failing.controller_is_killed,
    failing.agents_are_replaced,
    installing.upgrade,
    measuring.memory,
    measuring.start,
    installing.uninstall,
)


def main() -> int:
    """Play all acts; return the exit status."""
    # Leave through the `with`, which clears everything away; also when started with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stage = Stage()
    began = time.monotonic()
    try:
        stage.act("A cluster on this machine")
        archives = build()
        with WholeCluster() as cluster:
            setting = Setting(stage, cluster)
            load(cluster, archives)
            setting.kubectl("get", "nodes")
            stage.say(f"up in {time.monotonic() - began:.1f} s")
            for act in ACTS:
                act(setting)
    except (*TROUBLES, WitnessError, ChartError) as trouble:
        stage.check("the rehearsal came to its end", False, str(trouble))
    except KeyboardInterrupt:
        stage.check("the rehearsal came to its end", False, "interrupted")
    held = stage.summary()
    stage.say(f"{time.monotonic() - began:.0f} s in all")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
