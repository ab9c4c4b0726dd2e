"""A small world of agents, network and register with virtual time and seeded chance.

It drives the very :class:`havip.election.machine.Election` that runs on a node.
"""
