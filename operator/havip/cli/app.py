"""The commands that run the programs, and those that write CRDs, policies and a reference."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from havip.api.errors import HaVipError
from havip.cloud.actions import Feature

app = typer.Typer(
    name="havip",
    help="Highly available virtual IPs on Kubernetes in the cloud.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Namespace = Annotated[str, typer.Option(help="The release's namespace: Leases and the Secret.")]


class Profile(StrEnum):
    """How long the simulated cloud takes for things."""

    INSTANT = "instant"
    LAB = "lab"
    REALISTIC = "realistic"


@app.command()
def controller(
    identity: Annotated[str, typer.Option(help="This replica's name, unlike all others'.")],
    cluster_id: Annotated[
        str | None,
        typer.Option(
            help="Marks in the cloud what is this cluster's; must never change.",
            show_default="the uid of the namespace kube-system",
        ),
    ] = None,
    namespace: Namespace = "havip-system",
    drift_interval: Annotated[
        float, typer.Option(min=1, help="Seconds between looks for drift in the cloud.")
    ] = 60,
    agent_silent_after: Annotated[
        float,
        typer.Option(
            min=35, help="Seconds after which an agent that wrote nothing is taken for dead."
        ),
    ] = 90,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where health and metrics are served.")
    ] = "0.0.0.0:8080",
) -> None:
    """Keep the cloud as the HaVip objects say."""
    from havip.controller.main import run

    run(
        namespace=namespace,
        cluster_id=cluster_id,
        identity=identity,
        drift_interval=drift_interval,
        agent_silent_after=agent_silent_after,
        listen=listen,
    )


@app.command()
def agent(
    node: Annotated[str, typer.Option(envvar="NODE_NAME", help="The Node this agent serves.")],
    node_address: Annotated[
        str, typer.Option(envvar="NODE_ADDRESS", help="The IPv4 address peers send to.")
    ],
    key_dir: Annotated[
        Path,
        typer.Option(help="The peers' Secret as files: `current`, and `previous` in a rotation."),
    ],
    state_dir: Annotated[Path, typer.Option(help="Keeps the highest epochs seen over restarts.")],
    namespace: Namespace = "havip-system",
    metadata_endpoint: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="METADATA_ENDPOINT", help="The cloud's metadata service."
        ),
    ] = "http://100.100.100.200",
    peer_port: Annotated[int, typer.Option(min=1, max=65535, help="UDP port of the peers.")] = 9494,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where facts and metrics are served.")
    ] = "127.0.0.1:9495",
) -> None:
    """Hold this node's share of every HaVip: election, fence, address, announcements."""
    from havip.agent.main import run

    run(
        node=node,
        node_address=node_address,
        namespace=namespace,
        key_dir=key_dir,
        state_dir=state_dir,
        metadata_endpoint=metadata_endpoint,
        peer_port=peer_port,
        listen=listen,
    )


@app.command()
def simcloud(
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where it is served.")],
    topology: Annotated[Path, typer.Option(help="JSON file: accounts, VPCs, instances.")],
    profile: Annotated[
        Profile, typer.Option(help="How long things take in the cloud.")
    ] = Profile.LAB,
    bridge: Annotated[
        str | None, typer.Option(help="Bridge whose ARP and frames it rules, as a VPC does.")
    ] = None,
) -> None:
    """Simulate the cloud: the official SDK talks to it, and instances find their metadata in it."""
    from havip.simcloud.main import run

    run(listen=listen, topology=topology, profile=profile.value, bridge=bridge)


@app.command()
def may_uninstall() -> None:
    """Fail while there are HaVips: without a controller nobody would clean up after them."""
    from havip.controller.uninstall import check

    typer.echo(check())


@app.command()
def crds(
    output: Annotated[Path, typer.Option(help="Folder the YAML files are written to.")],
) -> None:
    """Write the CustomResourceDefinitions that the resource models stand for."""
    from havip.api.crd import write

    for file in write(output):
        typer.echo(file)


@app.command()
def metrics() -> None:
    """Print the reference of all metrics, in Markdown."""
    from havip.cli.reference import metrics_page

    typer.echo(metrics_page(), nl=False)


@app.command()
def policy(
    feature: Annotated[
        list[Feature] | None, typer.Option(help="What is used besides the core.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder to write a policy for each feature to, in place of printing."),
    ] = None,
) -> None:
    """Print the RAM policy that the controller's access key or role needs."""
    from havip.cloud.policy import to_json, write

    if output is None:
        typer.echo(to_json({Feature.CORE, *(feature or ())}), nl=False)
        return
    for file in write(output):
        typer.echo(file)


def main() -> None:
    """Run the command line; an error of ours ends it with a sentence, not a traceback."""
    try:
        app()
    except HaVipError as trouble:
        typer.echo(f"havip: {trouble}", err=True)
        sys.exit(1)
