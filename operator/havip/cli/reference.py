"""The reference page of the metrics, docs/metrics.md."""

from havip.agent import measures as agent
from havip.controller import measures as controller
from havip.metrics import reference

HEAD = """# Metrics

Written from the code by `make metrics`. Times are in seconds.

- The agent serves `/metrics` at `--listen` (port 9495), the controller at port 8080.
- Labels hold names of HaVips, classes and nodes, and words of small sets; never ids, addresses
  or keys. `namespace` and `name` are those of a HaVip: scrape with `honorLabels: true`, else
  Prometheus puts the namespace of the pod in their place.
- A waiting replica of the controller serves only what is about itself.
- Both serve the usual `process_*` metrics too: memory, processor time, start time.
- What is counted of one HaVip begins anew when an agent starts.

"""


def metrics_page() -> str:
    """Return the page."""
    tables = {
        "Of each agent, all with the label `node`": agent.ALL,
        "Of the controller": controller.ALL,
    }
    return HEAD + reference(tables)
