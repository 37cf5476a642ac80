"""Signed notes: the examples that C2SP and Go publish, and notes that must not pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlog.notes import (
    COSIGNATURE_V1,
    Cosigner,
    Note,
    NoteError,
    NoteSigner,
    Signature,
    SignatureRejectedError,
    VerifierKey,
    parse_note,
    parse_verifier_key,
    verify_note,
)

# C2SP signed-note, section "Example".
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SIGNER = NoteSigner("log.example", bytes(range(32)))
TEXT = "one\ntwo\n"
SIGNED = str(Note(TEXT, (SIGNER.sign(TEXT),)))
LINE = SIGNER.sign(TEXT).line()


def test_the_published_example_verifies_and_its_key_round_trips() -> None:
    note = parse_note(C2SP_NOTE)
    assert note.text == "This is an example message.\n"
    assert len(verify_note(note, [parse_verifier_key(C2SP_KEY)])) == 1
    assert str(parse_verifier_key(C2SP_KEY)) == C2SP_KEY
    assert str(note) == C2SP_NOTE


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_any_text_round_trips(text: str) -> None:
    text = text + "\n"
    note = parse_note(str(Note(text, (SIGNER.sign(text),))).encode())
    assert note.text == text
    assert verify_note(note, [SIGNER.verifier_key]) == [SIGNER.sign(text)]


@given(st.integers(0, len(SIGNED.encode()) * 8 - 1))
def test_attacker_cannot_flip_a_bit_of_a_note(bit: int) -> None:
    raw = bytearray(SIGNED.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NoteError):
        verify_note(parse_note(bytes(raw)), [SIGNER.verifier_key])


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        SIGNED[:-1],
        SIGNED + "\n",
        SIGNED + "more\n",
        SIGNED + "— spaced name " + LINE.split(" ")[2],
        "\x01" + SIGNED,
        SIGNED.replace("\n", "\r\n"),
        SIGNED.replace("one", "o\tne"),
        SIGNED.replace("— ", "- "),
        SIGNED.replace("— ", "—\u00a0"),
        SIGNED.replace("— log", "—  log"),
        SIGNED.replace("log.example", "log+example"),
        SIGNED.replace("log.example", ""),
        SIGNED.replace("log.example", "log\u2003example"),
        SIGNED[:-1] + " \n",
        SIGNED[:-2] + "\n",
        TEXT + "\n— log.example AAAA\n",
        TEXT + "\n— log.example AAAAAA==\n",
        TEXT + "\n" + LINE * 101,
        "x" * (256 * 1024) + SIGNED,
    ],
)
def test_malformed_notes_are_refused(malformed: str) -> None:
    with pytest.raises(NoteError):
        parse_note(malformed)


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(NoteError):
        parse_note(b"\xff" + SIGNED.encode())
    with pytest.raises(NoteError):
        parse_note("\ud800" + SIGNED)


def test_base64_with_stray_bits_is_refused() -> None:
    assert LINE.endswith("g=\n") or LINE[-3] in "AEIMQUYcgkosw048"
    stray = chr(ord(LINE[-3]) + 1)
    with pytest.raises(SignatureRejectedError):
        parse_note(f"{TEXT}\n{LINE[:-3]}{stray}=\n")


def test_signatures_by_unknown_keys_are_ignored_but_do_not_count() -> None:
    stranger = NoteSigner("stranger.example", bytes(32))
    both = Note(TEXT, (stranger.sign(TEXT), SIGNER.sign(TEXT)))
    assert verify_note(both, [SIGNER.verifier_key]) == [SIGNER.sign(TEXT)]
    with pytest.raises(SignatureRejectedError):
        verify_note(Note(TEXT, (stranger.sign(TEXT),)), [SIGNER.verifier_key])


def test_a_failing_signature_that_names_a_known_key_rejects_the_note() -> None:
    forged = Signature(SIGNER.name, SIGNER.verifier_key.key_id, bytes(64))
    with pytest.raises(SignatureRejectedError):
        verify_note(Note(TEXT, (SIGNER.sign(TEXT), forged)), [SIGNER.verifier_key])


def test_the_same_signature_twice_counts_once() -> None:
    twice = Note(TEXT, (SIGNER.sign(TEXT), SIGNER.sign(TEXT)))
    assert len(verify_note(twice, [SIGNER.verifier_key])) == 1


def test_a_note_without_trusted_keys_is_rejected() -> None:
    with pytest.raises(SignatureRejectedError):
        verify_note(parse_note(SIGNED), [])


@pytest.mark.parametrize(
    "text",
    [
        C2SP_KEY.replace("530d903a", "530d903b"),
        C2SP_KEY.replace("530d903a", "530D903A"),
        C2SP_KEY.replace("example.com/foo", "example.com/bar"),
        C2SP_KEY.replace("example.com/foo", ""),
        C2SP_KEY + "A",
        C2SP_KEY + "\n",
        "example.com/foo+530d903a",
        "",
    ],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_verifier_key(text)


def test_keys_of_other_types_and_lengths_are_refused() -> None:
    with pytest.raises(NoteError):
        VerifierKey("name", 0x02, bytes(32))
    with pytest.raises(NoteError):
        VerifierKey("name", 0x01, bytes(31))
    with pytest.raises(NoteError):
        NoteSigner("name", bytes(31))


def test_a_cosignature_verifies_and_tells_its_time() -> None:
    witness = Cosigner("witness.example", bytes(range(1, 33)))
    line = witness.cosign(TEXT, 1_700_000_000)
    assert witness.verifier_key.algorithm == COSIGNATURE_V1
    assert int.from_bytes(line.value[:8]) == 1_700_000_000
    assert verify_note(Note(TEXT, (line,)), [parse_verifier_key(str(witness.verifier_key))]) == [line]


def test_attacker_cannot_change_the_time_of_a_cosignature() -> None:
    witness = Cosigner("witness.example", bytes(range(1, 33)))
    line = witness.cosign(TEXT, 1_700_000_000)
    for stamp in (1_700_000_001, 2**63, 2**64 - 1):
        moved = Signature(line.name, line.key_id, stamp.to_bytes(8) + line.value[8:])
        with pytest.raises(SignatureRejectedError):
            verify_note(Note(TEXT, (moved,)), [witness.verifier_key])


def test_attacker_cannot_pass_a_plain_signature_off_as_a_cosignature() -> None:
    witness = Cosigner("log.example", bytes(range(32)))
    plain = SIGNER.sign(TEXT)
    passed_off = Signature(witness.name, witness.verifier_key.key_id, bytes(8) + plain.value)
    with pytest.raises(SignatureRejectedError):
        verify_note(Note(TEXT, (passed_off,)), [witness.verifier_key])
    with pytest.raises(NoteError):
        witness.sign(TEXT)


def test_a_cosignature_without_a_time_is_not_made() -> None:
    with pytest.raises(NoteError):
        Cosigner("witness.example", bytes(32)).cosign(TEXT, 0)


def test_keys_do_not_show_in_repr() -> None:
    assert bytes(range(32)).hex() not in repr(SIGNER)
    assert repr(SIGNER) == "NoteSigner('log.example')"
