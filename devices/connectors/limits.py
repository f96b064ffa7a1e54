"""Limits of connectors."""

from datetime import timedelta

from core.limits import Limit

DELIVERIES = Limit(
    name="devices-connector-deliveries",
    burst=600,
    period=timedelta(minutes=1),
    why="Fleet calls once a host and policy, and a morning has many; more is a loop.",
)

FAILED_CALLS = Limit(
    name="devices-connector-failed-calls",
    burst=30,
    period=timedelta(minutes=1),
    why="Whoever has no right secret is not listened to thirty times a minute.",
)
