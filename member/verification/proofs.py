"""Proofs of own entries as files: the proof, the 33 bytes of the leaf, the view, and the place in a shared leaf."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from member.log.verify import OwnEntry, VerifiedLog
from schemas.values.encoding import to_base64
from tlog.entries import BatchPlace


def write_proofs(folder: Path, verified: VerifiedLog, entries: Iterable[OwnEntry]) -> None:
    """Write the proof of each entry into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        name = f"{entry.number:08}"
        proof, (leaf, place) = verified.offline_proof(entry.index), verified.leaf_of(entry)
        (folder / f"{name}.tlog-proof").write_text(proof, encoding="utf-8")
        (folder / f"{name}.entry").write_bytes(leaf)
        if place is not None:
            (folder / f"{name}.batch.json").write_text(_describe_place(entry, place), encoding="utf-8")
        if entry.view is not None:
            view = json.dumps(dict(entry.view), indent=2, ensure_ascii=False)
            (folder / f"{name}.json").write_text(view + "\n", encoding="utf-8")


def _describe_place(entry: OwnEntry, place: BatchPlace) -> str:
    shown = {
        "entry": to_base64(entry.entry),
        "position": place.position,
        "count": place.count,
        "root": to_base64(place.root),
        "proof": [to_base64(value) for value in place.proof],
    }
    return json.dumps(shown, indent=2) + "\n"
