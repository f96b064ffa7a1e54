"""What pages and the API know of connectors: where another product calls, how much is brought."""

from django.urls import reverse

from core.errors import Refusal
from devices.connectors.models import Connector, ConnectorKind

MAX_TABLE_BYTES, MAX_TABLE_LINES = 1 << 20, 501  # the heading is one


def path_of(connector: Connector) -> str:
    """Where the other product calls; "" where nobody does, and a table is brought."""
    if connector.kind == ConnectorKind.MDM:
        return ""
    return reverse("devices:api_connector", args=[connector.pk])


def check_size(table: bytes) -> None:
    """Refuses invalid_request: an answer has to come soon, while a command may take longer."""
    if len(table) > MAX_TABLE_BYTES:
        raise Refusal.invalid_request("Bring so large a table by manage.py import_posture.")
    if max(table.count(b"\n"), table.count(b"observed_at")) > MAX_TABLE_LINES:
        raise Refusal.invalid_request("Bring so many devices by manage.py import_posture.")
