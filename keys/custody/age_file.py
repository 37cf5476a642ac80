"""Files encrypted under a passphrase in the age format (C2SP, age-encryption.org/v1), written and read as streams.

Any `age` opens them in need: `age -d FILE`. The rules, in order:
1. The header is parsed strictly and bounded: one scrypt stanza, canonical base64, no leading zeros. The work asked for
   is bounded, so that a foreign file cannot exhaust the memory.
2. scrypt (RFC 7914) makes the wrapping key from the passphrase; it opens the random file key, and the header's HMAC
   under the file key must be right before anything of the payload is read.
3. The payload is STREAM: chunks of 64 KiB under ChaCha20-Poly1305, numbered, the last one marked. No byte of a chunk is
   given out before the chunk is authentic; a cut, swapped or prolonged file is an error, never a shorter one.
4. A wrong passphrase and a changed header look alike. Neither passphrase nor content appears in an error.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import re
import secrets
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

CHUNK_BYTES = 64 * 1024
_TAG_BYTES = 16
_INTRODUCTION = b"age-encryption.org/v1"
_LABEL = b"age-encryption.org/v1/scrypt"
# OWASP Password Storage Cheat Sheet: N=2^17, r=8, p=1 (128 MiB of memory).
WORK = 17
_LARGEST_WORK = 20
_STANZA = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)")
_LONGEST_LINE = 128


class AgeFileError(Exception):
    """The file does not open; the message says why as far as that is known."""


class AgeWriter(io.RawIOBase):
    """Encrypts what is written into `target`. Only `finish` makes the file whole: without it no reader accepts it."""

    def __init__(self, target: BinaryIO, passphrase: bytes, work: int = WORK) -> None:
        super().__init__()
        file_key, salt, nonce = (secrets.token_bytes(16) for _ in range(3))
        wrapped = ChaCha20Poly1305(_wrapping_key(passphrase, salt, work)).encrypt(bytes(12), file_key, None)
        stanza = b"-> scrypt %s %d\n%s\n" % (_encode(salt), work, _encode(wrapped))
        header = _INTRODUCTION + b"\n" + stanza + b"---"
        target.write(header + b" " + _encode(_header_mac(file_key, header)) + b"\n" + nonce)
        self._target = target
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._held = bytearray()
        self._counter = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Encrypt `data`; a full chunk is kept back, since it may be the last."""
        self._held += data
        while len(self._held) > CHUNK_BYTES:
            self._put(bytes(self._held[:CHUNK_BYTES]), last=False)
            del self._held[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self._held), last=True)
        self._held.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._counter, last=last), chunk, None))
        self._counter += 1


class AgeReader(io.RawIOBase):
    """Decrypts `source` as it is read. Raises AgeFileError, at once for the header, else at the damaged chunk."""

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        super().__init__()
        self._source = source
        file_key = _read_header(source, passphrase)
        nonce = source.read(16)
        if len(nonce) != 16:
            raise AgeFileError("the file is cut short")
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._start = source.tell()
        self._plain = memoryview(b"")
        self._begin()

    def readable(self) -> bool:
        """It is."""
        return True

    def restart(self) -> None:
        """Read the content from its beginning again."""
        self._source.seek(self._start)
        self._begin()

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Fill `buffer` with what comes next; 0 at the end of the content."""
        while not self._plain and not self._ended:
            self._take_chunk()
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _begin(self) -> None:
        self._counter = 0
        self._ended = False
        self._plain = memoryview(b"")
        self._ahead = self._source.read(CHUNK_BYTES + _TAG_BYTES)

    def _take_chunk(self) -> None:
        chunk, self._ahead = self._ahead, self._source.read(CHUNK_BYTES + _TAG_BYTES)
        last = not self._ahead
        try:
            plain = self._cipher.decrypt(_nonce(self._counter, last=last), chunk, None)
        except (InvalidTag, ValueError):
            raise AgeFileError(f"the file is damaged or cut short after {self._counter} good chunks") from None
        if last and not plain and self._counter:
            raise AgeFileError("the file ends in an empty chunk: it was not written by age")
        self._counter += 1
        self._ended = last
        self._plain = memoryview(plain)


def _read_header(source: BinaryIO, passphrase: bytes) -> bytes:
    """The file key."""
    lines = [source.readline(_LONGEST_LINE) for _ in range(4)]
    if lines[0] != _INTRODUCTION + b"\n":
        raise AgeFileError("it is not an encrypted file of the format age-encryption.org/v1")
    stanza = _STANZA.fullmatch(lines[1].removesuffix(b"\n"))
    if stanza is None or not lines[3].startswith(b"--- ") or not all(line.endswith(b"\n") for line in lines):
        raise AgeFileError("its header is damaged, or it was not encrypted under a passphrase")
    salt, work = _decode(stanza[1], 16), int(stanza[2])
    if work > _LARGEST_WORK:
        raise AgeFileError(f"it asks for more work than is done here (2^{work}, at most 2^{_LARGEST_WORK})")
    wrapped, mac = _decode(lines[2][:-1], 32), _decode(lines[3][4:-1], 32)
    try:
        file_key = ChaCha20Poly1305(_wrapping_key(passphrase, salt, work)).decrypt(bytes(12), wrapped, None)
    except InvalidTag:
        raise AgeFileError("it does not open: wrong passphrase, or its header was changed") from None
    if not hmac.compare_digest(mac, _header_mac(file_key, b"".join(lines[:3]) + b"---")):
        raise AgeFileError("it does not open: wrong passphrase, or its header was changed")
    return file_key


def _wrapping_key(passphrase: bytes, salt: bytes, work: int) -> bytes:
    return Scrypt(salt=_LABEL + salt, length=32, n=1 << work, r=8, p=1).derive(passphrase)


def _derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(file_key)


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), header, hashlib.sha256)


def _nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes([last])


def _encode(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(text: bytes, length: int) -> bytes:
    """Canonical base64 without padding, of `length` bytes."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError:
        data = b""
    if len(data) != length or _encode(data) != text:
        raise AgeFileError("its header is damaged")
    return data
