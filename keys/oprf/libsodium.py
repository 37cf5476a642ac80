"""libsodium's ristretto255 functions, from the system's library or else from the one that the rbcl wheel carries.

`ctypes.CDLL` releases the interpreter's lock for the length of each call, so two threads compute on two cores.
The carried library is unpacked to a temporary file when rbcl is imported; the file goes once it is loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import importlib
import sys
import warnings
from pathlib import Path

_SIGNATURES = {
    "crypto_core_ristretto255_is_valid_point": 1,
    "crypto_core_ristretto255_from_hash": 2,
    "crypto_core_ristretto255_add": 3,
    "crypto_core_ristretto255_sub": 3,
    "crypto_scalarmult_ristretto255": 3,
    "crypto_scalarmult_ristretto255_base": 2,
}
"""The functions used, each with its number of pointers. All return an int."""


class LibsodiumError(RuntimeError):
    """No libsodium with ristretto255 could be loaded."""


def load() -> ctypes.CDLL:
    """libsodium, initialised. Raises LibsodiumError if neither the system nor rbcl has a usable one."""
    return load_system() or load_carried()


def load_system() -> ctypes.CDLL | None:
    """The system's libsodium, or None if there is none or it is too old to know ristretto255."""
    name = ctypes.util.find_library("sodium")
    if name is None:
        return None
    try:
        return _prepare(ctypes.CDLL(name))
    except (OSError, LibsodiumError):
        return None


def load_carried() -> ctypes.CDLL:
    """The libsodium inside the rbcl wheel. Raises LibsodiumError if rbcl is missing or cannot be unpacked."""
    try:
        with warnings.catch_warnings():
            # rbcl leaves its temporary file open for the garbage collector to close.
            warnings.simplefilter("ignore", ResourceWarning)
            importlib.import_module("rbcl")
        # Looked up by name: rbcl's __init__ hides this submodule behind the library object.
        unpacked = Path(sys.modules["rbcl._sodium"].lib_path)
        library = ctypes.CDLL(str(unpacked))
    except (ImportError, OSError, KeyError, AttributeError) as error:
        raise LibsodiumError(
            "no libsodium with ristretto255: install the system's libsodium (1.0.18 or later) or the rbcl package"
        ) from error
    with contextlib.suppress(OSError):
        unpacked.unlink()
    return _prepare(library)


def _prepare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declares the functions used and initialises the library. Raises LibsodiumError if it lacks one."""
    for name, pointers in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise LibsodiumError(f"this libsodium has no {name}") from error
        function.argtypes = [ctypes.c_void_p] * pointers
        function.restype = ctypes.c_int
    if library.sodium_init() < 0:
        raise LibsodiumError("libsodium did not initialise")
    return library
