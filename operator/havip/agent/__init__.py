"""The agent: one per node, it keeps this node's share of every HaVip.

It is the thin, impure loop around `havip.election`: it brings the machine its events (datagrams,
the register, health, links, time) and carries out its actions (send, write, hold, release).

==============  ======================================================================
module          what it meets
==============  ======================================================================
`main`          the program: puts the parts together, takes them apart
`loop`          which HaVips there are, and which event belongs to which
`keeper`        one HaVip: its `Election`, events in, actions out in order
`kube`          the Kubernetes API: calls with a deadline, watches
`transport`     the peers: UDP, one datagram per peer and tick
`register`      the Lease of a HaVip: compare-and-swap, and a watch
`netlink`       pyroute2, the part that is used; `lean` loads such parts
`nftables`      a binding to libnftables
`fence`         nftables: the kernel ends a hold by itself, to the millisecond
`address`       netlink: the address on the interface, with a lifetime behind the fence
`announce`      gratuitous ARP
`health`        the checks of a HaVip
`objects`       the HaVips and nodes, by watch
`interfaces`    the node's links and the network interfaces (ENI) that they are
`sysctls`       settings of the kernel that do harm where a node has several interfaces
`instance`      the cloud's metadata service: who this node is in the cloud
`report`        this node's HaVipNode
`epochs`        the highest epoch seen, on disk
`measures`      what the metrics mean; `tally` counts for one HaVip
`metrics`       the facts and the metrics, read when somebody asks
`pages`         serves them
==============  ======================================================================
"""
