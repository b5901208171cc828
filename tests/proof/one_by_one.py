"""A sender that waits for each answer before it sends the next: for scenarios about moments, not about load."""

import http.client
import time
from collections.abc import Callable
from contextlib import suppress

from tests.proof import made
from tests.proof.verdict import Answer
from tests.support.builders import auth

ANSWER_SECONDS = 60.0  # whoever dies closes the connection; who is started again takes its time on a busy machine
BETWEEN_SECONDS = 0.005
AFTER_CUT_SECONDS = 0.05  # nobody listens, or whoever did has died
SLOW_SECONDS = 0.02  # between the halves of a body


class OneByOne:
    """Sends events of a seed to a port, and keeps what became of each."""

    def __init__(self, port: int, project: tuple[int, str], seed: str) -> None:
        self.answers: list[Answer] = []
        self._project_id, key = project
        self._headers = {**auth(key), "Content-Type": "application/x-sentry-envelope"}
        self._seed = seed
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    @property
    def acknowledged(self) -> int:
        return sum(each.is_acknowledged for each in self.answers)

    def send(self) -> bool:
        """Send one event; say whether it was acknowledged."""
        number = len(self.answers)
        body = made.body(self._seed, number, "mixed")
        begun = time.monotonic()
        status = 0
        try:
            status = self._exchange(body)
        except (OSError, http.client.HTTPException):
            self.close()
        seconds = time.monotonic() - begun
        self.answers.append(Answer(number, status, begun, seconds, seconds))
        time.sleep(BETWEEN_SECONDS if status else AFTER_CUT_SECONDS)
        return self.answers[-1].is_acknowledged

    def send_until(self, condition: Callable[[], object], deadline_seconds: float, what: str) -> None:
        """Send until a condition holds; fail with `what` when that takes too long."""
        deadline = time.monotonic() + deadline_seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {deadline_seconds:g} s: {what}")
            self.send()

    def send_acknowledged(self, count: int, deadline_seconds: float) -> None:
        """Send until so many more are acknowledged."""
        wanted = self.acknowledged + count
        self.send_until(lambda: self.acknowledged >= wanted, deadline_seconds, f"{count} events are acknowledged")

    def close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None

    def _exchange(self, body: bytes) -> int:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        connection = self._connection
        connection.putrequest("POST", f"/api/{self._project_id}/envelope/")
        for name, value in {**self._headers, "Content-Length": str(len(body))}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[: len(body) // 2])
        time.sleep(SLOW_SECONDS if len(self.answers) % 4 == 0 else 0)
        connection.send(body[len(body) // 2 :])
        answer = connection.getresponse()
        answer.read()
        return answer.status
