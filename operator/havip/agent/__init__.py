"""The agent: one per node, it keeps this node's share of every HaVip.

It is the thin, impure loop around `havip.election`: it brings the machine its events (datagrams,
the register, health, links, time) and carries out its actions (send, write, hold, release).

==============  ======================================================================
module          what it meets
==============  ======================================================================
`loop`          one `Election` per HaVip: events in, actions out in order
`transport`     the peers: UDP, one datagram per peer and tick
`register`      the Lease of a HaVip: compare-and-swap, and a watch
`fence`         nftables: the kernel ends a hold by itself, to the millisecond
`address`       netlink: the address on the interface, with a lifetime behind the fence
`announce`      gratuitous ARP
`health`        the checks of a HaVip
`objects`       the HaVips and nodes, by watch
`instance`      the cloud's metadata service: who this node is in the cloud
`report`        this node's HaVipNode
`epochs`        the highest epoch seen, on disk
`metrics`       Prometheus metrics and the page of facts
==============  ======================================================================
"""
