"""
TLS of the receivers: a certificate and its key, read again when they change on disk.

A new pair is tried apart before it is used, and it is used whole or not at all: connections that are open keep the
certificate they began with, new ones get the new one, and none is refused in between.
"""

import asyncio
import ssl
from pathlib import Path

import structlog

from ingest.supervise import ServeError
from models.settings import Settings

LOOK_SECONDS = 1.0

log = structlog.get_logger()
Stamp = tuple[tuple[int, int, int], ...]


class BadPair(ServeError):
    """Certificate and key cannot be used; the message says why and what to do."""


class Served:
    """The TLS context of a receiver; its certificate is whatever was good last."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._stamp = self._seen()
        self._good = made(cert, key)
        self.context = made(cert, key)
        self.context.sni_callback = self._choose

    def look(self) -> bool:
        """Read the files again if they have changed; return whether there is a new certificate."""
        stamp = self._seen()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._good = made(self._cert, self._key)
        except BadPair as bad:
            log.warning("the new certificate cannot be used; the one before is kept", why=str(bad))
            return False
        log.info("there is a new certificate", file=str(self._cert))
        return True

    async def watch(self) -> None:
        """Look every second, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._good  # called in every handshake, whether or not it names a server

    def _seen(self) -> Stamp:
        found = []
        for path in (self._cert, self._key):
            try:
                told = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((told.st_mtime_ns, told.st_size, told.st_ino))
        return tuple(found)


def made(cert: Path, key: Path) -> ssl.SSLContext:
    """
    Make a context of a certificate with its chain, and its key, both PEM.

    Raises: BadPair.
    """
    for name, path in (("TLS_CERT_FILE", cert), ("TLS_KEY_FILE", key)):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise BadPair(f"ERRHOUSE_{name} {path} cannot be read ({error.strerror}); see that it is there.") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])

    def locked() -> bytes:
        raise BadPair(f"The key {key} has a password; write it without one, readable by errhouse alone.")

    try:
        context.load_cert_chain(cert, key, locked)
    except ssl.SSLError as error:
        why = "they do not belong together" if "MISMATCH" in (error.reason or "") else "they are not PEM, or damaged"
        raise BadPair(
            f"The certificate {cert} and the key {key} cannot be used: {why}; ERRHOUSE_TLS_CERT_FILE holds the "
            "certificate with its chain, ERRHOUSE_TLS_KEY_FILE its private key."
        ) from None
    return context


def served(settings: Settings) -> Served | None:
    """Give what a receiver serves TLS with; None when it speaks plain HTTP. Raises: BadPair."""
    if settings.TLS_CERT_FILE is None or settings.TLS_KEY_FILE is None:
        return None
    return Served(settings.TLS_CERT_FILE, settings.TLS_KEY_FILE)


def trusting_own(settings: Settings) -> ssl.SSLContext:
    """Make a client's context for this machine's own receivers: it trusts their certificate, whatever its name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.TLS_CERT_FILE is not None:
        context.load_verify_locations(settings.TLS_CERT_FILE)
    return context
