"""What an answer tells of one's own rows: collected from the vault by the holder, read strictly by the requester.

1. Only what was agreed to leaves the vault, field by field. A field of which nothing is held is null, never left out.
2. A subject who is a victim or an unwitting mule is marked as such, whether or not the role was asked for.
3. No text that speaks of a suspicious activity report leaves: it is refused, with the field's name.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from member.errors import AnswerError
from member.requests.refusal import Broken, RuleRefusedError
from member.vault.rows import OwnIndicator, Source
from schemas.requests.messages import AnswerDetails
from schemas.terms import RequestField, SubjectRole
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64
from schemas.values.tipping_off import find_tipping_off

SALT_BYTES = 32
_PROTECTED = {SubjectRole.VICTIM, SubjectRole.MULE_UNWITTING}
_COLUMNS = {RequestField.LAST_SEEN, RequestField.CONTACT, RequestField.NARRATIVE}
"""Fields that a file may have a column for: it is kept in the vault with all other columns."""


def collect_details(
    own: OwnIndicator, fields: Sequence[str], role_of: Callable[[str], str], contact: str, note: str
) -> AnswerDetails:
    """What the vault holds of these fields. `role_of` gives a submission's subject role, `contact` is the desk that
    answers for rows without a contact of their own, `note` what the authoriser adds. Raises RuleRefusedError.
    """
    roles = _distinct(role_of(source.submission_id) for source in own.sources)
    held: dict[str, object] = {
        RequestField.LOCAL_REFERENCE: _distinct(source.source_ref for source in own.sources),
        RequestField.REASON: _distinct(source.reason for source in own.sources),
        RequestField.FIRST_SEEN: min(_distinct(source.first_seen for source in own.sources), default=None),
        RequestField.LAST_SEEN: max(_column(own, RequestField.LAST_SEEN), default=None),
        RequestField.SUBJECT_ROLE: roles,
        RequestField.CONTACT: _column(own, RequestField.CONTACT) or _distinct([contact]),
        RequestField.NARRATIVE: _column(own, RequestField.NARRATIVE),
        RequestField.OTHER_COLUMNS: [columns for columns in map(_other_columns, own.sources) if columns],
    }
    disclosed = [*fields, *([RequestField.SUBJECT_ROLE] if _PROTECTED & set(roles) else [])]
    if unknown := [str(field) for field in disclosed if field not in held]:
        broken = [Broken("unknown-field", field, "this version cannot give it: upgrade") for field in unknown]
        raise RuleRefusedError("this is not known here", broken)
    values = {str(field): held.get(field) or None for field in disclosed} | ({"note": note} if note else {})
    details = msgspec.convert(values, AnswerDetails)
    broken = [_tipping_off(name, word) for name, value in values.items() if (word := _first_word(value))]
    if broken:
        raise RuleRefusedError("this cannot be disclosed", broken)
    return details


def encode_details(details: AnswerDetails, salt: bytes | None = None) -> bytes:
    """The bytes that are sealed, with the salt of what their preparer signed, if somebody prepared them."""
    salted = details if salt is None else msgspec.structs.replace(details, prepared_salt=to_base64(salt))
    return canonical_json(salted.stated())


def commit_to(details: AnswerDetails, salt: bytes) -> bytes:
    """What fixes details for those who must not read them: HMAC-SHA256 (32 bytes) under a salt of 32 bytes."""
    return hmac.digest(salt, canonical_json(details.stated()), hashlib.sha256)


def read_details(payload: bytes, disclosed: Sequence[str], commitment: bytes | None = None) -> AnswerDetails:
    """Opened details, exactly of the fields that the answer names; role and note may come beside, and those prepared by
    one for another to send are what was prepared. AnswerError else.
    """
    try:
        opened = msgspec.json.decode(payload, type=AnswerDetails)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerError("the details do not have the agreed format") from error
    details = msgspec.structs.replace(opened, prepared_salt=msgspec.UNSET)
    if commitment is not None and not _is_committed(details, opened.prepared_salt, commitment):
        raise AnswerError("the details are others than were prepared")
    always = {RequestField.SUBJECT_ROLE.value, "note"}
    names = details.stated().keys()
    if not set(disclosed) <= names or names - set(disclosed) - always:
        raise AnswerError("the details have other fields than the answer names")
    return details


def _is_committed(details: AnswerDetails, salt: Any, commitment: bytes) -> bool:
    try:
        return hmac.compare_digest(commit_to(details, from_base64(salt, SALT_BYTES)), commitment)
    except (TypeError, ValueError):  # no salt, or none of ours
        return False


def check_texts(texts: Iterable[tuple[str, str]]) -> list[Broken]:
    """Which of the (field, text) speak of a suspicious activity report."""
    return [_tipping_off(field, word) for field, text in texts if (word := find_tipping_off(text))]


def _tipping_off(field: str, word: str) -> Broken:
    cure = "leave it out: nothing that reveals a suspicious activity report may be disclosed"
    return Broken("tipping-off", field, f"it speaks of: {word}; {cure}")


def _first_word(value: Any) -> str | None:
    """The first thing in a value of details that speaks of a report."""
    if isinstance(value, str):
        return find_tipping_off(value)
    items = value.items() if isinstance(value, dict) else enumerate(value or ())
    return next((word for name, item in items if (word := _first_word(item) or find_tipping_off(str(name)))), None)


def _column(own: OwnIndicator, field: str) -> list[str]:
    return _distinct(
        value for source in own.sources for name, value in source.extra.items() if name.strip().lower() == field
    )


def _other_columns(source: Source) -> dict[str, str]:
    return {name: value for name, value in source.extra.items() if value and name.strip().lower() not in _COLUMNS}


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value.strip() for value in values if value.strip()))
