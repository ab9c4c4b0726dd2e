"""The controller finds the API server with no help of a name service."""

import kopf
import pytest

from havip.controller.handlers import by_address

BY_NAME = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="secret")


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
)
def test_a_pod_goes_to_the_address_that_its_kubelet_gave_it(host: str, server: str) -> None:
    given = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}

    found = by_address(BY_NAME, given)

    assert found.server == server
    assert found.token == "secret"


def test_without_an_address_it_goes_by_the_name() -> None:
    assert by_address(BY_NAME, {}) == BY_NAME
