"""Services of type LoadBalancer of our class: each gets a HaVip as its address, or shares one.

A Service is read into a claim (``claims``); those with the same key form a group, and which of
them can share is settled in the order in which they came (``sharing``). A group has one HaVip, made
and kept as they ask (``wanted``, ``spread``). All of that, what is done next (``decision``) and
what the Services are told (``status``) is pure. ``workers`` looks, decides and writes; it remembers
no step.

What keeps us off other people's Services: a Service that is no claim and bears no condition of ours
is not even remembered.
"""
