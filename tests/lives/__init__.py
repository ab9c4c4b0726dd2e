"""Lives of a HaVip, with one mishap each: the controller's own code against the simulated cloud.

Real are the controller from its workers down, the SDK, the sockets and the simulated cloud. Time is
not (``moments``): all waits pass at once, in an order that a seed decides, so a life takes a tenth
of a second and is the same again when it is replayed. The API server is a memory (``store``).
"""
