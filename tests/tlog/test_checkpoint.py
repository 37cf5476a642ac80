"""Checkpoints: what counts as the head of a log."""

from __future__ import annotations

import pytest

from tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint_text, parse_size, sign_checkpoint
from tlog.hashing import EMPTY_ROOT
from tlog.notes import Cosigner, Note, NoteError, NoteSigner, SignatureRejectedError, parse_note

SIGNER = NoteSigner("log.example/one", bytes(range(32)))
WITNESS = Cosigner("witness.example", bytes(range(1, 33)))
HEAD = Checkpoint("log.example/one", 7, bytes(range(32)))
SIGNED = sign_checkpoint(HEAD, SIGNER)


def test_a_signed_checkpoint_opens_to_what_was_signed() -> None:
    opened = open_checkpoint(SIGNED.encode(), HEAD.origin, [SIGNER.verifier_key])
    assert opened.checkpoint == HEAD
    assert opened.cosigners == ()


def test_extension_lines_are_kept() -> None:
    head = Checkpoint(HEAD.origin, 7, HEAD.root, ("extra", "lines"))
    assert open_checkpoint(sign_checkpoint(head, SIGNER), HEAD.origin, [SIGNER.verifier_key]).checkpoint == head


def test_cosigners_are_named_when_their_keys_are_known() -> None:
    note = Note(HEAD.text(), (SIGNER.sign(HEAD.text()), WITNESS.cosign(HEAD.text(), 1_700_000_000)))
    keys = [SIGNER.verifier_key]
    assert open_checkpoint(str(note), HEAD.origin, keys, [WITNESS.verifier_key]).cosigners == (WITNESS.verifier_key,)
    assert open_checkpoint(str(note), HEAD.origin, keys).cosigners == ()


def test_attacker_cannot_replace_the_log_s_signature_by_witnesses() -> None:
    note = Note(HEAD.text(), (WITNESS.cosign(HEAD.text(), 1_700_000_000),))
    with pytest.raises(SignatureRejectedError):
        open_checkpoint(str(note), HEAD.origin, [SIGNER.verifier_key], [WITNESS.verifier_key])


def test_attacker_cannot_pass_off_another_log_s_checkpoint() -> None:
    other = NoteSigner("log.example/two", bytes(range(32)))
    head = Checkpoint("log.example/two", 7, HEAD.root)
    with pytest.raises(NoteError):
        open_checkpoint(sign_checkpoint(head, other), HEAD.origin, [SIGNER.verifier_key, other.verifier_key])


def test_attacker_cannot_sign_with_another_key_of_the_same_name() -> None:
    impostor = NoteSigner("log.example/one", bytes(32))
    with pytest.raises(SignatureRejectedError):
        open_checkpoint(sign_checkpoint(HEAD, impostor), HEAD.origin, [SIGNER.verifier_key])


def test_an_empty_log_has_the_empty_root_or_none() -> None:
    empty = sign_checkpoint(Checkpoint(HEAD.origin, 0, EMPTY_ROOT), SIGNER)
    assert open_checkpoint(empty, HEAD.origin, [SIGNER.verifier_key]).checkpoint.size == 0
    wrong = sign_checkpoint(Checkpoint(HEAD.origin, 0, bytes(32)), SIGNER)
    with pytest.raises(NoteError):
        open_checkpoint(wrong, HEAD.origin, [SIGNER.verifier_key])


def test_the_key_is_named_after_the_origin() -> None:
    with pytest.raises(NoteError):
        sign_checkpoint(Checkpoint("elsewhere", 7, HEAD.root), SIGNER)


@pytest.mark.parametrize("size", ["+5", "05", "0_5", "-1", "", " 5", "5 ", "٥", "1e3", "9223372036854775808", "9" * 40])
def test_sizes_are_plain_decimals(size: str) -> None:
    with pytest.raises(NoteError):
        parse_size(size)
    with pytest.raises(NoteError):
        parse_checkpoint_text(HEAD.text().replace("\n7\n", f"\n{size}\n"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n7\n",
        HEAD.text()[:-1],
        HEAD.text() + "\n",
        "\n" + HEAD.text(),
        HEAD.text().replace("AAEC", "AAE*"),
        HEAD.text().replace("AAEC", ""),
    ],
)
def test_other_shapes_of_text_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint_text(text)


def test_the_note_is_kept_as_received() -> None:
    assert str(open_checkpoint(SIGNED, HEAD.origin, [SIGNER.verifier_key]).note) == SIGNED == str(parse_note(SIGNED))
