"""The operator's own life: installed, used, upgraded, and removed with nothing left."""

from __future__ import annotations

import yaml

from lab.fleet import MANIFESTS
from lab.watching import PROGRAMS
from rehearsal.setting import (
    CHART,
    HANDOVER_SECONDS,
    MOVE_SECONDS,
    NAME,
    NAMESPACE,
    RELEASE,
    Setting,
)

OLD_TAG, NEW_TAG = "previous", "next"
FENCE_TABLE = "havip_agent"


def values(setting: Setting, tag: str, **controller: object) -> str:
    """Write a values file for this cluster, show it, and return the option of helm that names it.

    They are those of every cluster of this machine, with the images of a tag.
    """
    given = yaml.safe_load((MANIFESTS / "values.yaml").read_text())
    given["image"] |= {"controller": {"tag": tag}, "agent": {"tag": tag}}
    given["controller"] |= controller
    file = setting.cluster.directory / f"{tag}.yaml"
    file.write_text(yaml.safe_dump(given, sort_keys=False))
    setting.stage.yaml(file.read_text())
    return f"--values={file}"


def install(setting: Setting) -> None:
    """Install the chart on a fresh cluster."""
    setting.stage.act("Installation")
    setting.helm(
        *("install", RELEASE, CHART, f"--namespace={NAMESPACE}", "--create-namespace"),
        values(setting, OLD_TAG),
    )
    setting.wait_rolled_out()
    setting.kubectl("get", "pods", "-n", NAMESPACE)
    cluster = setting.cluster
    cluster.until("all agents have reported their nodes", lambda: _reported(setting), MOVE_SECONDS)
    setting.kubectl("get", "hvn")
    pods = cluster.pods(f"app.kubernetes.io/instance={RELEASE}", NAMESPACE)
    restarts = sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)
    setting.stage.check("all pods are ready", len(pods) == 5, f"{len(pods)} pods")
    setting.stage.check("none had to be started twice", restarts == 0, f"{restarts} restarts")


def use(setting: Setting) -> None:
    """Run a server on each node, and give it an address."""
    setting.stage.act("A highly available virtual IP for a server on the nodes")
    cluster = setting.cluster
    responder = PROGRAMS / "responder.py"
    cluster.kubectl("create", "configmap", "web", f"--from-file={responder}")
    image = f"localhost/havip-agent:{OLD_TAG}"
    cluster.plane.apply((MANIFESTS / "web.yaml").read_text().replace("IMAGE", image))
    setting.wait_web()
    for name in ("class.yaml", "checked-havip.yaml"):
        manifest = MANIFESTS / name
        setting.stage.yaml(manifest.read_text())
        setting.stage.command(f"kubectl apply -f {name}", cluster.plane.apply(manifest))
    holder = setting.settle()
    setting.kubectl("get", "hv", NAME)
    setting.kubectl("get", "hvn")
    address = cluster.address(NAME)
    page = cluster.curl(address)
    setting.stage.command(f"curl http://{address}/        # from the client", page)
    members = cluster.cloud.ha_vips()[0]["members"]
    setting.stage.check("the cloud has all nodes as members", len(members) == 3, str(len(members)))
    setting.stage.check("the holder answers the client", page == holder, page or "nobody")


def upgrade(setting: Setting) -> None:
    """Upgrade to the next images, with a value changed as well."""
    setting.stage.act("Upgrade to the next version")

    def to_next(_: str) -> None:
        setting.helm(
            *("upgrade", RELEASE, CHART, f"--namespace={NAMESPACE}", "--hide-notes"),
            values(setting, NEW_TAG, logLevel="DEBUG"),
        )
        setting.wait_rolled_out()

    setting.under_watch(to_next, HANDOVER_SECONDS)
    pods = setting.cluster.pods(f"app.kubernetes.io/instance={RELEASE}", NAMESPACE)
    images = {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in pods}
    setting.stage.check("every pod is of the new image", images == {NEW_TAG}, ", ".join(images))
    setting.helm("history", RELEASE, f"--namespace={NAMESPACE}")


def uninstall(setting: Setting) -> None:
    """Be refused while there are HaVips; then delete them, uninstall, and look for what is left."""
    setting.stage.act("Removal")
    cluster = setting.cluster
    setting.settle()
    address = cluster.address(NAME)
    line = ("uninstall", RELEASE, f"--namespace={NAMESPACE}")
    refused = cluster.try_helm(*line)
    setting.stage.command(f"helm {' '.join(line)}", refused.stdout + refused.stderr)
    setting.stage.check(
        "it is refused while there are HaVips",
        refused.returncode != 0,
        f"exit status {refused.returncode}",
    )
    alive = cluster.curl(address)
    setting.stage.check("and the address goes on answering", bool(alive), alive or "nobody")
    setting.kubectl("delete", "hv", NAME, "--timeout=60s")
    setting.helm(*line)
    cluster.until("all pods are gone", lambda: not _pods(setting), MOVE_SECONDS)
    left = cluster.cloud.ha_vips()
    setting.stage.check("the cloud is empty", not left, f"{len(left)} HaVips")
    _check_kernels(setting, address)
    _clear_away(setting)


def _check_kernels(setting: Setting, address: str) -> None:
    left = []
    for node in setting.cluster.nodes:
        if address in setting.cluster.on_node(node, "ip", "-4", "address"):
            left.append(f"{node} has {address}")
        if FENCE_TABLE in setting.cluster.on_node(node, "nft", "list", "tables"):
            left.append(f"{node} has the fence")
    setting.stage.check("so are the nodes' kernels", not left, ", ".join(left) or "nothing is left")


def _clear_away(setting: Setting) -> None:
    """Remove what Helm does not: what the admin made, what is kept, what the programs wrote."""
    of_chart = _objects(setting, "-l", f"app.kubernetes.io/instance={RELEASE}")
    setting.stage.check("Helm left nothing of the chart", not of_chart, _list(of_chart))
    setting.stage.say("What is left is not Helm's:\n" + "\n".join(_ours(setting)))
    kinds = [f"{kind}.havip.dev" for kind in ("havips", "havipclasses", "havipnodes")]
    setting.kubectl("delete", "crd", *kinds, "--timeout=60s")
    setting.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")
    ours = _ours(setting)
    setting.stage.check("then the cluster knows us no more", not ours, _list(ours))


def _ours(setting: Setting) -> list[str]:
    """Return everything in the cluster that has our name, but for the tale of what happened."""
    return [each for each in _objects(setting) if "havip" in each.lower()]


def _objects(setting: Setting, *options: str) -> list[str]:
    """Return all objects as "kind namespace name"."""
    cluster = setting.cluster
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    # Events go by themselves.
    kinds = [kind for kind in kinds if not kind.startswith("events")]
    columns = "custom-columns=:kind,:metadata.namespace,:metadata.name"
    every = ("get", ",".join(kinds), "--all-namespaces", "--no-headers", "-o", columns)
    lines = cluster.kubectl(*every, *options).splitlines()
    return [" ".join(line.split()).replace("<none> ", "") for line in lines]


def _list(objects: list[str]) -> str:
    return ", ".join(objects) or "nothing is left"


def _pods(setting: Setting) -> str:
    return setting.cluster.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name")


def _reported(setting: Setting) -> bool:
    path = "jsonpath={.items[*].status.instanceId}"
    reported = setting.cluster.kubectl("get", "hvn", "-o", path).split()
    return len(reported) == len(setting.cluster.nodes)
