"""Faults of key holders as evidence: written to a file, judged from one, and acted upon."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec

from keys.holder_fault import Evidence, EvidenceError, verify_evidence
from keys.keyring import Keyring, UnknownStatementError
from member.errors import MemberError, UsedWronglyError
from member.holder_conduct import Conduct
from member.vault.conduct import VaultConduct
from member.vault.faults import HolderFaults
from member.vault.store import Vault

MOST_FILE_BYTES = 16 * 1024 * 1024
_LIST_HINT = "member holder-fault list shows those with evidence"


def write_evidence(vault: Vault, fault_id: str, path: Path) -> Evidence:
    """Write the evidence of a fault (its id, or how that begins) to a new file. Raises UsedWronglyError."""
    fault = HolderFaults(vault).find(fault_id)
    if fault is None:
        raise UsedWronglyError("no fault of a key holder has this id, or several begin so", _LIST_HINT)
    if fault.evidence is None:
        raise UsedWronglyError(
            "there is no evidence: what came in the holder's name was not signed by it", "anybody in between may err"
        )
    try:
        evidence = Evidence.parse(fault.evidence)
    except EvidenceError as error:
        raise MemberError(f"what is kept shows nothing: {error}", slug="no_evidence") from None
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(fault.evidence))
    except FileExistsError:
        raise UsedWronglyError(f"{path} exists already", "name a new file") from None
    except OSError as error:
        raise UsedWronglyError(f"{path} cannot be written: {error.strerror}") from None
    return evidence


def read_evidence(path: Path) -> Evidence:
    """The evidence in a file. MemberError if it is none."""
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise MemberError(f"{path} is larger than any evidence", slug="no_evidence")
        return Evidence.parse(msgspec.json.decode(path.read_bytes()))
    except OSError as error:
        raise UsedWronglyError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MemberError(f"{path} is not JSON", slug="no_evidence") from None
    except EvidenceError as error:
        raise MemberError(f"{path}: {error}", slug="no_evidence") from None


def judge(evidence: Evidence, keyring: Keyring) -> str:
    """What the holder did, by the registrars' statements in `keyring`. MemberError if nothing is shown."""
    try:
        epoch = keyring.epoch(evidence.epoch)
        return verify_evidence(evidence, epoch, lambda key_id: keyring.representative(key_id)[1].public_key)
    except UnknownStatementError:
        detail = f"no statement of epoch {evidence.epoch} is at hand"
    except EvidenceError as error:
        detail = str(error)
    hint = "do not act on it; ask whoever gave it to you for the statements that it rests on"
    raise MemberError(f"no fault of {evidence.holder_id} is shown: {detail}", hint, slug="not_shown")


def leave_out(vault: Vault, keyring: Keyring, evidence: Evidence, reason: str) -> None:
    """Ask this holder no more, until the registrars state the epoch anew. The evidence is judged already."""
    book = VaultConduct(vault, evidence.epoch, keyring.epoch(evidence.epoch).sequence)
    known = book.read().get(evidence.holder_id, Conduct())
    book.keep(evidence.holder_id, replace(known, fault=reason))
