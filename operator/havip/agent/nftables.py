"""A binding to libnftables, as small as it can be: run commands as one transaction, or raise.

The library is used rather than the `nft` program because a program takes some 5 ms to start, and
the fence is refreshed several times a second; a call here takes half a millisecond.
"""

from __future__ import annotations

import ctypes
from typing import Final

_LIBRARY: Final = "libnftables.so.1"


class NftablesError(Exception):
    """The kernel or the library refused a transaction; nothing of it was applied."""


class NftablesMissingError(NftablesError):
    """There is no libnftables on this node."""


class Nftables:
    """One libnftables context. Not to be shared between threads."""

    def __init__(self) -> None:
        """Load the library. Raises `NftablesMissingError` where it is not installed."""
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise NftablesMissingError(str(error)) from error
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.restype = None
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        library.nft_run_cmd_from_buffer.restype = ctypes.c_int
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            function = getattr(library, name)
            function.restype = ctypes.c_int
            function.argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            function = getattr(library, name)
            function.restype = ctypes.c_char_p
            function.argtypes = [ctypes.c_void_p]
        self._library = library
        context = library.nft_ctx_new(0)
        if not context:
            raise NftablesMissingError("libnftables gave no context")
        self._context: int | None = context
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)

    def run(self, commands: str) -> str:
        """Apply all `commands` (the text language of nft) or none; return what they print."""
        if self._context is None:
            raise NftablesError("the context is closed")
        failed = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        output: bytes = self._library.nft_ctx_get_output_buffer(self._context) or b""
        error: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise NftablesError(error.decode(errors="replace").strip() or "no reason given")
        return output.decode(errors="replace")

    def close(self) -> None:
        """Free the context; the tables stay in the kernel."""
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None
