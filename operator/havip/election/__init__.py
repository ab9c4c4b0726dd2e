"""The election: which node owns a virtual IP, decided without any input or output of its own.

One :class:`~havip.election.machine.Election` per HaVip takes events with the time at which they
happened and returns actions. It knows no clock, socket, thread or Kubernetes, so that the very
class that runs on a node is also the one that the simulation drives through lost messages, outages,
crashes and clock drift. The rules and why they are safe are told in ``docs/design/election.md``.

Rooms: ``timing`` (durations), ``record`` (what the register holds), ``messages`` (what peers say),
``events`` and ``actions`` (the machine's two sides), ``register`` (what we know of the register),
``holder`` and ``follower`` (the two roles), ``machine`` (the whole), ``wire`` (bytes sent).
"""
