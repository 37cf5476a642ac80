"""Faults of key holders as files: written to one, judged from one, and acted upon."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from keys.faults.evidence import EvidenceError
from keys.faults.report import ShownFault, parse_report, verify_report
from keys.statements.keyring import Keyring
from member.errors import MemberError, UsageError
from member.next_steps import Act, Next
from member.tokens.kept_faults import HolderFaults, KeptFault
from member.vault.store import Vault
from schemas.holder_faults import FaultReport

MAX_FILE_BYTES = 16 * 1024 * 1024
_LISTED = Next(Act.LIST_HOLDER_FAULTS)


def find_fault(vault: Vault, fault_id: str) -> tuple[KeptFault, FaultReport]:
    """The fault with this id, or whose id begins so, and its report. Raises UsageError, MemberError."""
    faults = HolderFaults(vault)
    fault = faults.find(fault_id)
    if fault is None:
        raise UsageError("no fault of a key holder has this id, or several begin so", then=_LISTED)
    if not fault.has_evidence:
        raise UsageError(
            "there is no evidence: what came in the holder's name was not signed by it", "anybody in between may err"
        )
    try:
        return fault, parse_report(faults.report_of(fault))
    except EvidenceError as error:
        raise MemberError(f"what is kept shows nothing: {error}", slug="no_evidence") from None


def write_report(report: FaultReport, path: Path) -> None:
    """Write a report to a new file. Raises UsageError."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(report))
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name a new file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def read_report(path: Path) -> FaultReport:
    """The report in a file. MemberError if it is none."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MemberError(f"{path} is larger than any evidence", slug="no_evidence")
        return parse_report(msgspec.json.decode(path.read_bytes()))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MemberError(f"{path} is not JSON", slug="no_evidence") from None
    except EvidenceError as error:
        raise MemberError(f"{path}: {error}", slug="no_evidence") from None


def judge(report: FaultReport, keyring: Keyring) -> ShownFault:
    """What the holder did, by its statements and the registrars' root. MemberError if nothing is shown."""
    try:
        return verify_report(report, keyring.roots, keyring.was_in_force)
    except EvidenceError as error:
        detail = f"no fault of {report.evidence.holder_id} is shown: {error}"
        raise MemberError(detail, "do not act on it; ask whoever gave it to you", slug="not_shown") from None
