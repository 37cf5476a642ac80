"""Files in the age format: read by another implementation and written by it, and refused when anything is changed."""

from __future__ import annotations

import io

import pyrage
import pytest

from keys.custody.age_file import CHUNK_BYTES, AgeFileError, AgeReader, AgeWriter

PASSPHRASE = b"correct horse battery staple"
CHEAP = 10
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_001)


def seal(content: bytes, *, finish: bool = True, step: int = 50_000) -> bytes:
    target = io.BytesIO()
    writer = AgeWriter(target, PASSPHRASE, CHEAP)
    for start in range(0, len(content), step):
        assert writer.write(content[start : start + step]) == len(content[start : start + step])
    if finish:
        writer.finish()
    return target.getvalue()


def unseal(sealed: bytes, passphrase: bytes = PASSPHRASE) -> bytes:
    return io.BufferedReader(AgeReader(io.BytesIO(sealed), passphrase)).read()


def content_of(size: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(size))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_here_and_in_another_implementation(size: int) -> None:
    content = content_of(size)
    sealed = seal(content)
    assert unseal(sealed) == content
    assert pyrage.passphrase.decrypt(sealed, PASSPHRASE.decode()) == content


def test_what_another_implementation_sealed_opens_here() -> None:
    content = content_of(150_000)
    assert unseal(pyrage.passphrase.encrypt(content, PASSPHRASE.decode())) == content


def test_a_reader_can_start_again() -> None:
    reader = AgeReader(io.BytesIO(seal(content_of(100_000))), PASSPHRASE)
    assert reader.read(10) == content_of(10)
    reader.restart()
    assert io.BufferedReader(reader).read() == content_of(100_000)


def test_a_wrong_passphrase_opens_nothing() -> None:
    with pytest.raises(AgeFileError, match="wrong passphrase"):
        unseal(seal(b"content"), b"another")


def test_a_file_that_was_never_finished_is_no_shorter_file() -> None:
    for size in SIZES:
        with pytest.raises(AgeFileError):
            unseal(seal(content_of(size), finish=False))


def test_every_changed_byte_of_a_small_file_is_found() -> None:
    sealed = seal(b"content")
    for place in range(len(sealed)):
        with pytest.raises(AgeFileError):
            unseal(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])


def test_chunks_cannot_be_dropped_swapped_repeated_or_prolonged() -> None:
    sealed = seal(content_of(3 * CHUNK_BYTES + 5))
    start = len(sealed) - (3 * (CHUNK_BYTES + 16) + 5 + 16)
    head, chunk = sealed[:start], CHUNK_BYTES + 16
    chunks = [sealed[start + number * chunk : start + (number + 1) * chunk] for number in range(4)]
    assert unseal(head + b"".join(chunks)) == content_of(3 * CHUNK_BYTES + 5)
    for order in ([0, 1, 2], [0, 1], [1, 0, 2, 3], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [0, 1, 3], [3]):
        with pytest.raises(AgeFileError, match="damaged or cut short"):
            unseal(head + b"".join(chunks[number] for number in order))
    for end in (b"\0", bytes(16), bytes(100)):
        with pytest.raises(AgeFileError, match="damaged or cut short"):
            unseal(sealed + end)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b" 10\n", b" 30\n", "more work"),
        (b" 10\n", b" 010\n", "header is damaged"),
        (b" 10\n", b" +1\n", "header is damaged"),
        (b"-> scrypt ", b"-> X25519 ", "not encrypted under a passphrase"),
        (b"age-encryption.org/v1\n", b"age-encryption.org/v2\n", "not an encrypted file"),
        (b"age-encryption.org/v1\n", b"age-encryption.org/v1\r\n", "not an encrypted file"),
        (b"\n--- ", b"\n---  ", "header is damaged"),
    ],
)
def test_a_header_of_another_form_is_refused_before_any_work(old: bytes, new: bytes, told: str) -> None:
    with pytest.raises(AgeFileError, match=told):
        unseal(seal(b"content").replace(old, new, 1))


def test_base64_that_is_not_canonical_is_refused() -> None:
    sealed = seal(b"content")
    line = sealed.split(b"\n")[1]
    salt = line.split(b" ")[2]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    same_bytes = salt[:-1] + alphabet[alphabet.index(salt[-1:]) + 1 :][:1]
    with pytest.raises(AgeFileError, match="header is damaged"):
        unseal(sealed.replace(salt, same_bytes, 1))
