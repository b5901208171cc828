"""A mail server of this machine that stands for any: it takes mails, or answers one step as it is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from typing import Any

SILENT, ENDLESS = "silent", "endless"


class MailServer:
    """Takes `step` (GREETING, MAIL, RCPT, DATA or END) and the line that is answered to it instead of yes."""

    def __init__(self, listening: socket.socket, step: str, line: str) -> None:
        self._listening = listening
        self._step = step
        self._line = line
        self.port: int = listening.getsockname()[1]
        self.mails: list[dict[str, Any]] = []
        self.is_over = threading.Event()

    def serve(self) -> None:
        while not self.is_over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def asked(self) -> list[dict[str, Any]]:
        return self.mails

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError, StopIteration), connection, connection.makefile("rb") as lines:
            self._say(connection, "GREETING", "220 ready")
            to: list[str] = []
            sender = ""
            while line := lines.readline():
                verb = line.decode().split(":")[0].split()[0].upper()
                if verb == "EHLO":
                    connection.sendall(b"250-there\r\n250 8BITMIME\r\n")
                elif verb == "MAIL":
                    sender = _address(line)
                    self._say(connection, "MAIL", "250 ok")
                elif verb == "RCPT":
                    to.append(_address(line))
                    self._say(connection, "RCPT", "250 ok")
                elif verb == "DATA":
                    self._say(connection, "DATA", "354 go on")
                    body = b"".join(iter(lambda: lines.readline(), b".\r\n"))  # noqa: PLW0108 - each asks anew
                    self.mails.append({"from": sender, "to": to, **_mail(body)})
                    self._say(connection, "END", "250 taken")
                else:
                    connection.sendall(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")

    def _say(self, connection: socket.socket, step: str, line: str) -> None:
        if step != self._step:
            connection.sendall(line.encode() + b"\r\n")
        elif self._line == SILENT:
            self.is_over.wait(20)
            raise StopIteration
        elif self._line == ENDLESS:
            while not self.is_over.is_set():
                connection.sendall(b"220-" + b"x" * 60_000 + b"\r\n")
        else:
            connection.sendall(self._line.encode() + b"\r\n")


@contextmanager
def mail_server(answer: tuple[str, str] = ("", "")) -> Iterator[MailServer]:
    """Run a mail server on a free port; `answer` is a step, and the line it is answered with."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
        made = MailServer(listening, *answer)
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.is_over.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _address(line: bytes) -> str:
    return line.decode().partition("<")[2].partition(">")[0]


def _mail(body: bytes) -> dict[str, Any]:
    """Give a mail as a case tells it: its headers, and its parts without the boundaries made for it."""
    found = message_from_bytes(body, policy=policy.default)
    headers = {name: str(value) for name, value in found.items() if name.lower() != "content-type"}
    parts = [
        {"type": part.get_content_type(), "file": part.get_filename(), "content": _content(part)}
        for part in found.walk()
        if not part.is_multipart()
    ]
    return {"headers": headers, "parts": parts}


def _content(part: Any) -> str:
    content = part.get_content()
    return str(content.replace("\r\n", "\n")) if isinstance(content, str) else str(len(content))
