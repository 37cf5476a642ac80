"""What the forms of the feed say alike of an alert. Of a withdrawn one nothing is left but its reference, its marking,
its state and why.
"""

from __future__ import annotations

from alerts.domain.alert import Alert
from schemas.terms import AlertState


def is_withdrawn(alert: Alert) -> bool:
    """Whether its content was taken back."""
    return alert.state == AlertState.WITHDRAWN


def title_of(alert: Alert) -> str:
    """Its reference and title, with its state first unless it is in force."""
    if is_withdrawn(alert):
        return f"WITHDRAWN: alert {alert.reference}"
    title = f"{alert.reference}: {alert.content.title}"
    return title if alert.state == AlertState.PUBLISHED else f"{alert.state.value.upper()}: {title}"


def marking_of(alert: Alert) -> str:
    """Classification, traffic light and conditions in one text."""
    content = alert.content
    conditions = f" Conditions: {content.conditions}" if content.conditions else ""
    return f"{content.classification} TLP:{content.tlp}.{conditions}"


def tags_of(alert: Alert) -> list[tuple[str, str]]:
    """Codes as (list, code)."""
    content = alert.content
    tags = [("tlp", content.tlp), ("classification", content.classification), ("state", alert.state.value)]
    return tags if is_withdrawn(alert) else [*tags, ("colour", content.colour), ("theme", content.theme)]
