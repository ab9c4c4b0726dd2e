"""Whether the release may go: the question that the chart asks before it is uninstalled."""

from havip.api.errors import UserError
from havip.api.names import API_VERSION, HAVIP_PLURAL
from havip.controller.kube import TIMEOUT_SECONDS, KubernetesError, load_client, request

SHOWN = 10


def check() -> str:
    """Return the sentence that it may.

    Raises:
        UserError: there are HaVips, which only the controller can clean up after.
        KubernetesError: the API server could not be asked.

    """
    path = f"/apis/{API_VERSION}/{HAVIP_PLURAL}"
    try:
        listed = request(load_client(), "GET", path, None, TIMEOUT_SECONDS)["items"]
    except KubernetesError as error:
        if error.status != 404:
            raise
        listed = []  # without the CRD there are none
    if not listed:
        return "There are no HaVips: nothing is left in the cloud."
    found = [f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in listed]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise UserError(
        f"There are HaVips: {', '.join(found[:SHOWN])}{more}. Delete them and wait until they are"
        " gone, while the controller is there to clean up after them: kubectl delete havips"
        " --all --all-namespaces. Then uninstall again. To keep the release, helm history shows the"
        " number of its last revision, and helm rollback RELEASE NUMBER makes it that again. To"
        " leave the HaVips and what they have in the cloud behind, roll back so, and helm upgrade"
        " it with --reset-then-reuse-values --set uninstall.force=true before you uninstall."
    )
