"""Health checks that a node runs on itself, for one HaVip."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from havip.api.base import Model, Rule
from havip.api.fields import Host, InterfaceName, Port


class Scheme(StrEnum):
    """Protocol of an http check."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


class HttpCheck(Model):
    """A GET that must be answered with a status from 200 to 399."""

    port: Annotated[Port, Field(description="Port to ask.")]
    path: Annotated[
        str,
        Field(max_length=1024, description="Path to ask for, with the query if there is one."),
        Rule("self.startsWith('/')", "path must begin with /, as in /healthz: put one in front"),
        # It goes into a request line as it is: a blank or a line's end would make another request.
        Rule(
            "self.matches('^[!-~]*$')",
            "path has blanks or characters beyond ASCII: write them percent-encoded, as in %20",
        ),
    ] = "/"
    host: Annotated[
        Host | None,
        Field(description="Host to ask; the node itself (127.0.0.1) if left out."),
    ] = None
    scheme: Annotated[
        Scheme,
        Field(description="HTTP or HTTPS. The certificate is not verified, as in a pod's probe."),
    ] = Scheme.HTTP


class TcpCheck(Model):
    """A connection that must be accepted."""

    port: Annotated[Port, Field(description="Port to connect to.")]
    host: Annotated[
        Host | None,
        Field(description="Host to connect to; the node itself (127.0.0.1) if left out."),
    ] = None


class ExecCheck(Model):
    """A program that must end with status 0; it runs in the agent's container."""

    command: Annotated[
        tuple[Annotated[str, Field(max_length=1024)], ...],
        Field(
            min_length=1,
            max_length=32,
            description="Program and arguments. No shell reads them: for one, name it"
            " (sh, -c, ...).",
        ),
    ]


class InterfaceCheck(Model):
    """A network interface that must be up and have a carrier."""

    name: Annotated[
        InterfaceName | None,
        Field(description="Interface to watch; the one that the address goes on if left out."),
    ] = None


class EndpointsCheck(Model):
    """A Service that must have an endpoint on this node: ready, serving and not terminating.

    A change counts as soon as the API server tells of it. While the API server is away, what it
    told last stands.
    """

    service: Annotated[
        str,
        Field(
            max_length=63,
            description="Name of a Service in the HaVip's namespace.",
        ),
        Rule(
            "!format.dns1035Label().validate(self).hasValue()",
            "this is not the name of a Service: give one of the same namespace",
        ),
    ]
    health_check_node_port: Annotated[
        Port | None,
        Field(
            description="The Service's healthCheckNodePort, where kube-proxy says whether it leads"
            " to an endpoint on the node. With it an endpoint that is new on the node counts once"
            " kube-proxy says so, or after 5 s."
        ),
    ] = None


class HealthCheck(Model):
    """One check, of exactly one kind.

    A node whose check has failed hands the address over, but only to a node that is healthy.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.http), has(self.tcp), has(self.exec), has(self.interface),"
            " has(self.endpoints)].filter(given, given).size() == 1",
            "a check is of exactly one kind: keep one of http, tcp, exec, interface, endpoints,"
            " and put any other in an entry of its own",
        ),
        Rule(
            "self.timeoutMillis <= self.intervalMillis",
            "timeoutMillis must not exceed intervalMillis: shorten the timeout or lengthen"
            " the interval",
        ),
    )

    name: Annotated[
        str,
        Field(max_length=63, description="Name of the check, as reports and metrics show it."),
        Rule(
            "!format.dns1123Label().validate(self).hasValue()",
            "the name of a check has lower-case letters, digits and -: rename it, as in"
            " web-answers",
        ),
    ]
    http: Annotated[HttpCheck | None, Field(description="Ask by HTTP; 200 to 399 is well.")] = None
    tcp: Annotated[TcpCheck | None, Field(description="Connect by TCP; accepted is well.")] = None
    exec: Annotated[ExecCheck | None, Field(description="Run a program; status 0 is well.")] = None
    interface: Annotated[
        InterfaceCheck | None, Field(description="Watch an interface; up with a carrier is well.")
    ] = None
    endpoints: Annotated[
        EndpointsCheck | None,
        Field(
            description="Watch a Service; a ready endpoint on the node is well. It is told of,"
            " not asked for: interval, timeout, rise and fall do not matter to it."
        ),
    ] = None
    interval_millis: Annotated[
        int, Field(ge=100, le=60_000, description="Milliseconds from one check to the next.")
    ] = 1000
    timeout_millis: Annotated[
        int, Field(ge=50, le=60_000, description="Milliseconds after which no answer is a failure.")
    ] = 500
    rise: Annotated[
        int, Field(ge=1, le=20, description="Successes in a row that make the check healthy.")
    ] = 2
    fall: Annotated[
        int, Field(ge=1, le=20, description="Failures in a row that make the check unhealthy.")
    ] = 3
