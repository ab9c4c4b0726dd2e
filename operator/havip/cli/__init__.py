"""The command line `havip`.

Each command imports its own part only when it runs: a node's agent must start without kopf, the
cloud SDK or the simulator being loaded, or even installed.
"""

from havip.cli.app import main

__all__ = ["main"]
