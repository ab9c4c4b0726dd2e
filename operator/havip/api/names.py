"""Names that several parts must spell alike: resources, labels, annotations, tags, objects.

No part writes one of these as a literal. This module imports nothing, so that every part may
import it.
"""

GROUP = "havip.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

HAVIP_KIND = "HaVip"
HAVIP_PLURAL = "havips"
HAVIP_SHORT = "hv"
HAVIPCLASS_KIND = "HaVipClass"
HAVIPCLASS_PLURAL = "havipclasses"
HAVIPCLASS_SHORT = "hvc"
HAVIPNODE_KIND = "HaVipNode"
HAVIPNODE_PLURAL = "havipnodes"
HAVIPNODE_SHORT = "hvn"

DEFAULT_NAMESPACE = "havip-system"
"""Namespace of the release: the controller, the agents and the registers live there."""

FINALIZER = f"{GROUP}/cloud-cleanup"
"""Kept on a HaVip until nothing of it is left in the cloud."""

# Tags on cloud resources. What does not carry the first two is never deleted.
TAG_CLUSTER = f"{GROUP}/cluster"
TAG_UID = f"{GROUP}/uid"
TAG_NAME = f"{GROUP}/name"

ANNOTATION_FENCE = f"{GROUP}/fence"
"""On a HaVip: comma-separated names of nodes that an administrator knows to be dead.

What they have of the HaVip in the cloud is taken out by force, and stays out while this is there.
"""

# Services of type LoadBalancer.
LOAD_BALANCER_CLASS_PREFIX = f"{GROUP}/"
"""Before the name of a HaVipClass, in ``spec.loadBalancerClass``."""
SERVICE_ANNOTATION_PREFIX = f"{GROUP}/"
"""Before the name of what a Service asks of its HaVip."""
SERVICE_CONDITION_PREFIX = f"{GROUP}/"
"""Before the type of each condition that we set on a Service; by these we know it again."""
SERVICE_FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
"""Kept on a Service until its HaVip is gone; the name is Kubernetes' own."""

LABEL_SERVICE = f"{GROUP}/service"
"""On a HaVip made for one Service: the Service's name."""
LABEL_SHARE = f"{GROUP}/share"
"""On a HaVip made for Services that share it: their key."""
ANNOTATION_SERVICES = f"{GROUP}/services"
"""On a HaVip made for Services: whom it serves, as in default/web,default/dns, first come first."""
ANNOTATION_PREFERRED = f"{GROUP}/preferred-hosts"
"""On a HaVip made for Services: the hosts preferred as owners, the first most."""

# Labels on the Lease of a HaVip, by which the agents find the object it belongs to.
LABEL_UID = f"{GROUP}/uid"
LABEL_NAMESPACE = f"{GROUP}/namespace"
LABEL_NAME = f"{GROUP}/name"

# Annotations on the Lease of a HaVip: the part of the register that a Lease has no field for.
ANNOTATION_MEMBERS = f"{GROUP}/members"
"""Comma-separated, sorted names of the nodes whose promises the holder counts."""
ANNOTATION_CHALLENGE = f"{GROUP}/challenge"
"""Name of the node that suspects the holder; absent when none does."""
ANNOTATION_GIVEN = f"{GROUP}/given"
"""Present when the holder before let go by itself: it appointed this one, or none."""
ANNOTATION_WAITS = f"{GROUP}/waits"
"""The waits in seconds that the holder relies on: challenge, unmembered, grant."""
ANNOTATION_WRITE = f"{GROUP}/write"
"""Which write of which agent this version is, so that a lost answer can be told from a loss."""

# Keys of the Secret that a HaVipClass names.
SECRET_ACCESS_KEY_ID = "accessKeyId"  # noqa: S105  (a key of a Secret, not its value)
SECRET_ACCESS_KEY_SECRET = "accessKeySecret"  # noqa: S105  (a key of a Secret, not its value)
SECRET_SECURITY_TOKEN = "securityToken"  # noqa: S105  (a key of a Secret, not its value)


def lease_name(uid: str) -> str:
    """Name of the Lease that is the register of the HaVip with this uid."""
    return f"havip-{uid}"


def cloud_name(namespace: str, name: str) -> str:
    """Name that a HaVip bears in the cloud unless ``spec.name`` gives another."""
    return f"{namespace}-{name}"
