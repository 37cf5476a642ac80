"""The objects that every collection holds from the start, whatever is published in it: the identities, the five TLP 2.0
markings, a statement marking for each legal gateway, and the definitions of our extensions.

Their places in a collection (FIRST_ADDED_MS and the milliseconds after it) are the same everywhere, long before any
alert: that a collection was made tells nobody that something was published.
"""

from __future__ import annotations

from datetime import UTC, datetime

from alerts.feeds import extensions
from alerts.feeds.stix_shapes import (
    ExtensionDefinition,
    MarkingDefinition,
    StatementMarking,
    StixIdentity,
    TrafficLightExtension,
)
from exchange.gateways.rules import RULES
from schemas.terms import LegalGateway, TrafficLight

FixedObject = StixIdentity | MarkingDefinition | ExtensionDefinition

FIRST_ADDED_MS = int(datetime(2022, 10, 1, tzinfo=UTC).timestamp() * 1000)

_MADE = "2026-11-01T00:00:00.000Z"
_TLP_MADE = "2022-10-01T00:00:00.000Z"
_DESIGNER = "identity--9e966552-0275-43fb-b544-e62336bd4429"

TLP_MARKINGS = {
    TrafficLight.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    TrafficLight.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    TrafficLight.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    TrafficLight.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    TrafficLight.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
"""As OASIS published them."""

GATEWAY_MARKINGS = {
    LegalGateway.CCA2013_S7: "marking-definition--f9bffabd-90ce-4dab-a789-a0bcb5fcbe65",
    LegalGateway.POCA2002_S339ZB: "marking-definition--569cccfa-0b48-411d-a8a1-4c337e5dee88",
    LegalGateway.TACT2000_S21CA: "marking-definition--75d82953-7879-4e58-ac4f-7578ed5f4d29",
    LegalGateway.ECCTA2023_S188: "marking-definition--52678be6-f015-470a-952f-dd709e38d408",
    LegalGateway.ECCTA2023_S189: "marking-definition--3d191c55-3ed9-4f60-9e8a-aea30e50ec8a",
    LegalGateway.SCA2007_S68: "marking-definition--337f91c0-71a0-43c0-b4c2-ce3ced732436",
    LegalGateway.DPA2018_SCH2: "marking-definition--6f7ddef9-e06a-4799-b989-d0b5429863c7",
}


FIXED_IDS = frozenset(
    {*TLP_MARKINGS.values(), *GATEWAY_MARKINGS.values(), extensions.ALERT, extensions.ACCOUNT, _DESIGNER}
)
"""Of all of them but the exchange's own identity."""


def make_fixed_objects(taskforce_id: str) -> list[FixedObject]:
    """All of them; `taskforce_id` is the id of this exchange's own identity. The order is that of the places."""
    return [
        StixIdentity(
            spec_version="2.1",
            id=_DESIGNER,
            created=_MADE,
            modified=_MADE,
            name="Intelligence-sharing exchange",
            identity_class="system",
            description="The software that these extensions and statements come with.",
        ),
        StixIdentity(
            spec_version="2.1",
            id=taskforce_id,
            created=_MADE,
            modified=_MADE,
            name="Taskforce",
            identity_class="group",
            description="The taskforce whose members share on this exchange.",
        ),
        *(_traffic_light(light, marking_id) for light, marking_id in TLP_MARKINGS.items()),
        *(_gateway(gateway, marking_id) for gateway, marking_id in GATEWAY_MARKINGS.items()),
        _extension(extensions.ALERT, "Alert", extensions.as_text(extensions.ALERT_SCHEMA)),
        _extension(extensions.ACCOUNT, "Account of an alert", extensions.as_text(extensions.ACCOUNT_SCHEMA)),
    ]


def _traffic_light(light: TrafficLight, marking_id: str) -> MarkingDefinition:
    return MarkingDefinition(
        spec_version="2.1",
        id=marking_id,
        created=_TLP_MADE,
        name=f"TLP:{light.value}",
        extensions={extensions.TLP_2: TrafficLightExtension(tlp_2_0=light.value.lower())},
    )


def _gateway(gateway: LegalGateway, marking_id: str) -> MarkingDefinition:
    text = f"Disclosed under the {RULES[gateway].citation} ({gateway.value}). Use it for the purpose stated only."
    return MarkingDefinition(
        spec_version="2.1",
        id=marking_id,
        created=_MADE,
        created_by_ref=_DESIGNER,
        name=f"Legal gateway: {gateway.value}",
        definition_type="statement",
        definition=StatementMarking(statement=text),
    )


def _extension(extension_id: str, name: str, schema: str) -> ExtensionDefinition:
    return ExtensionDefinition(
        spec_version="2.1",
        id=extension_id,
        created=_MADE,
        modified=_MADE,
        created_by_ref=_DESIGNER,
        name=name,
        description="Property extension of the intelligence-sharing exchange; the schema is JSON Schema.",
        schema=schema,
        version="1.0.0",
        extension_types=["property-extension"],
    )
