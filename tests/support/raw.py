"""Bytes on a connection as they are, for what no HTTP client would send."""

import re
import socket
from typing import NamedTuple

PATIENCE_SECONDS = 10


class Said(NamedTuple):
    """What came back until the other side closed, or nothing more came."""

    text: bytes
    is_closed: bool

    @property
    def statuses(self) -> list[int]:
        """Return the status of each answer."""
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", self.text)]


def said(port: int, *pieces: bytes, half_close: bool = False, patience_seconds: float = 1.0) -> Said:
    """Send pieces one after the other, and return what is answered until nothing comes for so long."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        text = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            connection.settimeout(patience_seconds)
            while data := connection.recv(64 * 1024):
                text += data
        except TimeoutError:
            return Said(text, is_closed=False)
        except OSError:  # cut while we still sent
            return Said(text, is_closed=True)
        return Said(text, is_closed=True)
