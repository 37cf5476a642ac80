"""Secrets at rest: one small file each, encrypted under a passphrase.

The rules, in order:
1. The folder is the user's alone (0700) and the file too (0600); what others may read or write is refused, and so are
   symbolic links.
2. A file is written whole or not at all: a new file beside it, synced, then renamed.
3. scrypt (RFC 7914) makes the file's key from the passphrase, at OWASP's figures. A file that asks for other figures is
   refused, so that nobody can lower the cost or exhaust the memory.
4. ChaCha20-Poly1305 (RFC 8439) under a random nonce and a fresh salt; the header and the purpose are authenticated, so
   a file cannot stand in for another. A wrong passphrase and a changed file look alike.
5. Neither the secret nor the passphrase appears in an error.
6. A new passphrase has at least 12 characters, is not one character repeated, and is not the name of whoever it is for
   (NIST SP 800-63B sections 5.1.1.1 and 5.1.1.2: a length, and a list of what is refused; no rule of composition).
   What is written under a shorter one is refused, a machine's passphrase file too; what was written before still opens.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keys.custody.making import about_to_make, about_to_write
from schemas.values.canonical import canonical_json, parse_canonical_json
from schemas.values.encoding import from_base64, to_base64

# OWASP Password Storage Cheat Sheet: N=2^15, r=8, p=3 (32 MiB of memory).
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 3}
_FORMAT = "exchange-custody-v1"
MAX_SECRET_BYTES = 65_536
MAX_PASSPHRASE_BYTES = 1024
MIN_PASSPHRASE_CHARACTERS = 12
PASSPHRASE_RULE = (
    f"at least {MIN_PASSPHRASE_CHARACTERS} characters, not one character repeated, not the name of whoever it is for"
)
_MAX_FILE_BYTES = 2 * MAX_SECRET_BYTES


class CustodyError(Exception):
    """A secret cannot be kept or read; the message says how to mend it, never what the secret is."""


def write_secret(path: Path, secret: bytes, passphrase: bytes, purpose: str) -> None:
    """Encrypt 1..65536 bytes into `path`, replacing what was there in one step; makes a missing folder (0700).

    `purpose` must be given again to read it. Raises CustodyError, also for a passphrase that is too weak.
    """
    check_new_passphrase(passphrase)
    if not 1 <= len(secret) <= MAX_SECRET_BYTES:
        raise CustodyError(f"a secret has 1 to {MAX_SECRET_BYTES} bytes")
    salt, nonce = _new_salt(), secrets.token_bytes(12)
    header = {"format": _FORMAT, "purpose": purpose, "scrypt": {**_SCRYPT, "salt": to_base64(salt)}}
    sealed = ChaCha20Poly1305(_derive_key(passphrase, salt)).encrypt(nonce, secret, canonical_json(header))
    document = {**header, "nonce": to_base64(nonce), "ciphertext": to_base64(sealed)}
    write_private_file(path, canonical_json(document))


def read_secret(path: Path, passphrase: bytes, purpose: str) -> bytes:
    """The secret that write_secret put there under the same passphrase and purpose. Raises CustodyError."""
    document = _parse_document(read_private_file(path, _MAX_FILE_BYTES), path)
    header = {name: document[name] for name in ("format", "purpose", "scrypt")}
    if header["purpose"] != purpose:
        raise CustodyError(f"{path} does not hold the {purpose}")
    try:
        salt = from_base64(document["scrypt"]["salt"], 16)
        nonce, sealed = from_base64(document["nonce"], 12), from_base64(document["ciphertext"])
        key = ChaCha20Poly1305(_derive_key(passphrase, salt))
        return key.decrypt(nonce, sealed, canonical_json(header))
    except (InvalidTag, ValueError):
        raise CustodyError(f"{path} does not open: wrong passphrase, or the file was changed") from None


def read_passphrase(
    path: Path | None,
    *,
    variable: str,
    environ: Mapping[str, str],
    prompt: Callable[[], str] | None = None,
) -> bytes:
    """The passphrase, 1..1024 bytes of NFC UTF-8.

    Read from the file at `path`, else from the file named by `environ[variable]`, else asked with `prompt`. The file is
    the user's alone; one trailing line end is dropped. Raises CustodyError.
    """
    if path is None and environ.get(variable):
        path = Path(environ[variable])
    if path is not None:
        try:
            text = read_private_file(path, MAX_PASSPHRASE_BYTES, check_folder=False).decode("utf-8")
        except UnicodeDecodeError:
            raise CustodyError(f"{path} is not UTF-8 text") from None
    elif prompt is not None:
        text = prompt()
    else:
        raise CustodyError(f"no passphrase: give a passphrase file, or name one in {variable}")
    text = text.removesuffix("\n").removesuffix("\r")
    try:
        passphrase = unicodedata.normalize("NFC", text).encode("utf-8")
    except UnicodeEncodeError:
        raise CustodyError("the passphrase is not text") from None
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE_BYTES:
        raise CustodyError(f"a passphrase has 1 to {MAX_PASSPHRASE_BYTES} bytes")
    return passphrase


def check_new_passphrase(passphrase: bytes, *names: str) -> None:
    """Raise CustodyError for a passphrase that nothing may be put under: rule 6. `names` are those of its owner."""
    if len(passphrase) > MAX_PASSPHRASE_BYTES:
        raise CustodyError(f"a passphrase has at most {MAX_PASSPHRASE_BYTES} bytes")
    written = passphrase.decode("utf-8", "replace")
    text = rest = written.casefold()
    for name in names:
        rest = rest.replace(name.casefold(), "")
    is_name = rest != text and not any(character.isalnum() for character in rest)
    if len(written) < MIN_PASSPHRASE_CHARACTERS or len(set(text)) == 1 or is_name:
        raise CustodyError(f"the passphrase is too weak: {PASSPHRASE_RULE}")


def make_private_folder(path: Path, *, shared: bool = False) -> None:
    """Make `path` with mode 0700, or check that what is there is the user's alone. `shared`: its group may use it too,
    if it stands in a folder that its group may use. Raises CustodyError.
    """
    try:
        is_new = not path.exists()
        about_to_make(*reversed([each for each in (path, *path.parents) if not each.exists()]))
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_new and shared and is_group_shared(path.parent):
            path.chmod(0o2770)  # 2000: what is made in it is of its group, whoever makes it
    except OSError as error:
        raise CustodyError(f"{path} cannot be made: {error.strerror}") from None
    _check_folder(path, shared=shared)


def is_group_shared(folder: Path) -> bool:
    """Whether the group of an existing folder may read and write in it."""
    return folder.stat().st_mode & 0o070 == 0o070


def write_private_file(path: Path, data: bytes, *, shared: bool = False) -> None:
    """Write `data` with mode 0600 in one step: afterwards all of it is there, or what was there before. `shared`: with
    0660 in a folder that its group may use.

    Raises CustodyError.
    """
    make_private_folder(path.parent, shared=shared)
    about_to_write(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            if shared and is_group_shared(path.parent):
                os.fchmod(stream.fileno(), 0o660)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise CustodyError(f"{path} cannot be written: {error.strerror}") from None


def read_private_file(path: Path, limit: int, *, check_folder: bool = True, shared: bool = False) -> bytes:
    """At most `limit` bytes of a regular file that is the user's alone, or `shared` with its group. Raises CustodyError
    with the cure.
    """
    if check_folder:
        _check_folder(path.parent, shared=shared)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise CustodyError(f"{path} cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as stream:
        # The open file is checked, not its name: a name may point elsewhere a moment later.
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise CustodyError(f"{path} is not a regular file")
        if status.st_mode & (0o007 if shared else 0o077):
            raise CustodyError(f"others may read {path}: chmod {'660' if shared else '600'} it")
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise CustodyError(f"{path} is longer than {limit} bytes")
    return data


def _check_folder(path: Path, *, shared: bool = False) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise CustodyError(f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise CustodyError(f"{path} is not a folder")
    if status.st_mode & (0o007 if shared else 0o077):
        raise CustodyError(f"others may enter {path}: chmod {'2770' if shared else '700'} it")


def sync_folder(path: Path) -> None:
    """Keep the names in a folder through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_salt() -> bytes:
    return secrets.token_bytes(16)


def _derive_key(passphrase: bytes, salt: bytes) -> bytes:
    if not 1 <= len(passphrase) <= MAX_PASSPHRASE_BYTES:
        raise CustodyError(f"a passphrase has 1 to {MAX_PASSPHRASE_BYTES} bytes")
    return Scrypt(salt=salt, length=32, **_SCRYPT).derive(passphrase)


def _parse_document(data: bytes, path: Path) -> dict[str, Any]:
    damaged = CustodyError(f"{path} is damaged: restore it from a backup")
    try:
        document = parse_canonical_json(data)
    except ValueError:
        raise damaged from None
    if not isinstance(document, dict) or set(document) != {"format", "purpose", "scrypt", "nonce", "ciphertext"}:
        raise damaged
    figures = document["scrypt"]
    if document["format"] != _FORMAT or not isinstance(figures, dict) or set(figures) != {*_SCRYPT, "salt"}:
        raise damaged
    if any(type(figures[name]) is not int or figures[name] != value for name, value in _SCRYPT.items()):
        raise damaged
    texts = (document["purpose"], document["nonce"], document["ciphertext"], figures["salt"])
    if not all(isinstance(text, str) for text in texts):
        raise damaged
    return document
