"""The STIX 2.1 objects that the feeds hold, as types: what does not fit them is not stored.

Section numbers are those of STIX Version 2.1 (OASIS Standard). Properties that may be left out are left out when empty.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
# Section 3.2, always with milliseconds, so that texts compare as times do.
Timestamp = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Words = Annotated[str, Meta(min_length=1)]
SpecVersion = Literal["2.1"]
AnyId = Annotated[str, Meta(pattern=rf"^[a-z][a-z-]{{2,40}}--{_UUID}")]
IdentityId = Annotated[str, Meta(pattern=rf"^identity--{_UUID}")]
MarkingId = Annotated[str, Meta(pattern=rf"^marking-definition--{_UUID}")]
ExtensionId = Annotated[str, Meta(pattern=rf"^extension-definition--{_UUID}")]


class NotStixError(ValueError):
    """An object is not one that the feeds may hold."""


class Shape(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of objects have in common: unknown properties are refused."""


class ExternalReference(Shape):
    """Section 2.5."""

    source_name: Words
    description: str = ""
    external_id: str = ""


class KillChainPhase(Shape):
    """Section 2.12."""

    kill_chain_name: Words
    phase_name: Words


class AlertExtension(Shape, tag_field="extension_type", tag="property-extension"):
    """What an alert has beyond a report; alerts.feeds.extensions describes it to readers."""

    reference: Words
    issuer: Words
    state: Words
    colour: Words
    theme: Words
    classification: Words
    legal_gateway: Words
    purpose: Words
    review_by: Day
    expires_on: Day
    conditions: str = ""
    supersedes: str = ""
    superseded_by: str = ""
    withdrawal_reason: str = ""


class AccountExtension(Shape, tag_field="extension_type", tag="property-extension"):
    """What a named account has beyond `bank-account`; alerts.feeds.extensions describes it to readers. An observable
    cannot be revoked (section 3.1), so `withdrawn` says that its alert was.
    """

    sort_code: Annotated[str, Meta(pattern=r"^([0-9]{6})?$")] = ""
    withdrawn: bool = False


class NewObservable(Shape, tag_field="extension_type", tag="new-sco"):
    """Section 7.3: an extension adds the object's type."""


class TrafficLightExtension(Shape, tag_field="extension_type", tag="property-extension"):
    """A TLP 2.0 marking."""

    tlp_2_0: Words


class StatementMarking(Shape):
    """Section 7.2.1.3."""

    statement: Words


class Versioned(Shape):
    """What all objects have that were made at a time and have versions (section 3.6)."""

    created: Timestamp
    modified: Timestamp

    def check_times(self) -> None:
        """Raises ValueError unless both are times, in order."""
        if datetime.fromisoformat(self.modified) < datetime.fromisoformat(self.created):
            raise ValueError("modified before it was created")


class StixReport(Versioned, tag="report"):
    """Section 4.16: an alert."""

    spec_version: SpecVersion
    id: Annotated[str, Meta(pattern=rf"^report--{_UUID}")]
    created_by_ref: IdentityId
    name: Words
    description: Words
    report_types: list[Words]
    published: Timestamp
    object_refs: Annotated[list[AnyId], Meta(min_length=1)]
    labels: list[Words]
    external_references: list[ExternalReference]
    object_marking_refs: list[MarkingId]
    extensions: dict[ExtensionId, AlertExtension]
    revoked: bool = False


class AttackPattern(Versioned, tag="attack-pattern"):
    """Section 4.1: a red flag."""

    spec_version: SpecVersion
    id: Annotated[str, Meta(pattern=rf"^attack-pattern--{_UUID}")]
    created_by_ref: IdentityId
    name: Words
    description: Words
    object_marking_refs: list[MarkingId]
    kill_chain_phases: list[KillChainPhase] = []
    revoked: bool = False


class BankAccount(Shape, tag="bank-account"):
    """The observable of extension-definition--f19f3291-6a84-5674-b311-d75a925d5bd9."""

    spec_version: SpecVersion
    id: Annotated[str, Meta(pattern=rf"^bank-account--{_UUID}")]
    object_marking_refs: list[MarkingId]
    extensions: dict[ExtensionId, NewObservable | AccountExtension]
    iban: Annotated[str, Meta(pattern=r"^([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30})?$")] = ""
    bic: str = ""
    account_number: str = ""


class StixIdentity(Versioned, tag="identity"):
    """Section 4.5."""

    spec_version: SpecVersion
    id: IdentityId
    name: Words
    identity_class: Words
    description: str = ""
    created_by_ref: str = ""
    sectors: list[Words] = []


class MarkingDefinition(Shape, tag="marking-definition"):
    """Section 7.2.1. A TLP 2.0 marking has an extension, a statement its definition."""

    spec_version: SpecVersion
    id: MarkingId
    created: Timestamp
    name: Words
    created_by_ref: str = ""
    definition_type: str = ""
    definition: StatementMarking | None = None
    extensions: dict[ExtensionId, TrafficLightExtension] = {}


class ExtensionDefinition(Versioned, tag="extension-definition"):
    """Section 7.3. `schema` holds the JSON Schema itself: there is no address of ours that every reader could open."""

    spec_version: SpecVersion
    id: ExtensionId
    created_by_ref: IdentityId
    name: Words
    description: Words
    schema: Words
    version: Words
    extension_types: list[Words]


StixObject = StixReport | AttackPattern | BankAccount | StixIdentity | MarkingDefinition | ExtensionDefinition

_decoder = msgspec.json.Decoder(StixObject)


def decode_stored(body: bytes) -> StixObject:
    """An object from the JSON that encode_checked made of it."""
    stored: StixObject = _decoder.decode(body)
    return stored


def encode_checked(value: StixObject) -> bytes:
    """The JSON of an object. Raises NotStixError for one that would break a reader: what was written is read again as
    strictly as a reader may.
    """
    body = msgspec.json.encode(value)
    try:
        _decoder.decode(body)
        if isinstance(value, Versioned):
            value.check_times()
    except ValueError as error:
        raise NotStixError(f"{type(value).__name__}: {error}") from None
    return body
