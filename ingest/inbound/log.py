"""The receiver's side of the log: an answer costs it an append to a list, a thread does the rest."""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import msgspec
import structlog

from ingest.inbound import FILE, MAX_AGENT_CHARS, NO_DOOR, OLDER_FILE, Inbound, masked
from ingest.inbound.told import form_told, named_event
from ingest.records import Door
from models.answers import FOLDER, HOUR_SECONDS, HOURS_FILE, KEPT_HOURS, SLOW_SECONDS, TIMED_OUT_SECONDS, Hour, hours
from models.clock import now_us
from models.logs import escaped

MOST_A_SECOND = 100  # of all requests
MOST_REFUSED_A_SECOND = 200  # of those that were refused or slow, besides
FILE_BYTES = 4 * 1024 * 1024
HELD_BYTES = 16 * 1024 * 1024  # of bodies that wait for their checksum; past it, a line has none
WAITING_ANSWERS = 200_000  # if the disk stands still: more are not counted
WRITE_SECONDS = 0.5
HOURS_SECONDS = 5.0
AGED_SECONDS = 15 * 86_400  # a file that was begun before is moved, one that ended before is removed: 30 days in all

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class Seen:
    """What is known of one request by the time it is answered."""

    __slots__ = ("body", "event_id", "project_id", "raw_bytes")

    def __init__(self) -> None:
        self.raw_bytes = 0
        self.body = b""
        self.project_id: int | None = None
        self.event_id: str | None = None


class _Asked(NamedTuple):
    at: float
    door: Door | None
    method: str
    path: str
    headers: dict[str, str]
    sender: str
    status: int
    reason: str
    seconds: float
    raw_bytes: int
    body_bytes: int
    project_id: int | None
    event_id: str | None
    body: bytes | None


class InboundLog:
    """The log of one receiver; made by its event loop, which alone calls `answered`."""

    def __init__(self, data_dir: Path, receiver: str, clock: Callable[[], float] = lambda: now_us() / 1e6) -> None:
        self._folder = data_dir / FOLDER
        self._receiver = receiver
        self._clock = clock
        self._second = 0
        self._room = MOST_A_SECOND
        self._room_refused = MOST_REFUSED_A_SECOND
        self._held_in = self._held_out = 0
        self._answers: deque[tuple[float, str, int, float]] = deque(maxlen=WAITING_ANSWERS)
        self._asked: deque[_Asked] = deque()
        self._left_out = self._left_out_told = 0
        self._hours = {(each.hour, each.door): each for each in hours(self._hours_path)}
        self._is_told = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="inbound-log", daemon=True)

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._receiver}{FILE}"

    @property
    def _hours_path(self) -> Path:
        return self._folder / f"{self._receiver}{HOURS_FILE}"

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is left."""
        self._end.set()
        self._thread.join(5)

    def answered(
        self,
        door: Door | None,
        method: str,
        path: str,
        headers: dict[str, str],
        sender: str,
        status: int,
        reason: str,
        seconds: float,
        seen: Seen,
    ) -> bool:
        """Note an answer that was sent; False where too many are for a line each: then it is counted only."""
        at = self._clock()
        self._answers.append((at, door or NO_DOOR, status, seconds))
        if int(at) != self._second:
            self._second, self._room, self._room_refused = int(at), MOST_A_SECOND, MOST_REFUSED_A_SECOND
        if self._room > 0:
            self._room -= 1
        elif self._room_refused > 0 and (status >= 300 or seconds >= SLOW_SECONDS):
            self._room_refused -= 1
        else:
            self._left_out += 1
            return False
        size = len(seen.body)
        body = seen.body if self._held_in - self._held_out + size <= HELD_BYTES else None
        self._held_in += size if body is not None else 0
        known = (seen.raw_bytes, size, seen.project_id, seen.event_id, body)
        self._asked.append(_Asked(at - seconds, door, method, path, headers, sender, status, reason, seconds, *known))
        return True

    def astray(self, method: str, path: str, headers: dict[str, str], sender: str) -> None:
        """Note a request for a path that is no door of ours."""
        self.answered(None, method, path, headers, sender, 404, "wrong_path", 0.0, Seen())

    def _write_on(self) -> None:
        """Run in the thread until the end."""
        due = 0.0
        is_open = True
        while is_open:
            is_open = not self._end.wait(WRITE_SECONDS)
            try:
                self._write()
                if not is_open or monotonic() >= due:
                    due = monotonic() + HOURS_SECONDS
                    self._tell_hours()
                self._is_told = False
            except OSError as error:
                if not self._is_told:
                    log.warning("the log of requests cannot be written", why=str(error))
                    self._is_told = True  # once, until it can be again

    def _write(self) -> None:
        self._count()
        lines = []
        while True:
            try:
                asked = self._asked.popleft()
            except IndexError:
                break
            lines.append(_encode(self._line(asked)))
            self._held_out += len(asked.body or b"")
        if left_out := self._left_out - self._left_out_told:
            self._left_out_told += left_out
            lines.append(_encode(Inbound(int(self._clock() * 1e6), left_out=left_out, receiver=self._receiver)))
        if lines:
            self._append(b"\n".join(lines) + b"\n")

    def _line(self, asked: _Asked) -> Inbound:
        body = asked.body or b""
        project_id, event_id = asked.project_id, asked.event_id
        if event_id is None and asked.status < 300 and asked.door in (Door.HOOK, Door.LEGACY):
            project_id, event_id = named_event(body)
        return Inbound(
            at_us=int(asked.at * 1e6),
            method=escaped(asked.method[:10]),
            door=asked.door or NO_DOOR,
            form=escaped(form_told(asked.door, asked.headers)),
            path=escaped(masked(asked.path)),
            sender=escaped(asked.sender[:64]),
            agent=escaped(asked.headers.get("user-agent", "")[:MAX_AGENT_CHARS]),
            bytes=asked.raw_bytes,
            body_bytes=asked.body_bytes,
            ms=round(asked.seconds * 1e3, 2),
            status=asked.status,
            reason=asked.reason,
            project_id=project_id,
            event_id=event_id or "",
            sha256=sha256(body).hexdigest()[:12] if body else "",
            receiver=self._receiver,
        )

    def _append(self, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            if self._path.stat().st_size >= FILE_BYTES:
                self._path.replace(self._folder / f"{self._receiver}{OLDER_FILE}")
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, data)
        finally:
            os.close(handle)

    def _forget(self) -> None:
        """Let no line, which tells the address of a sender, stay for more than twice AGED_SECONDS."""
        aged, older = self._clock() - AGED_SECONDS, self._folder / f"{self._receiver}{OLDER_FILE}"
        for path in self._folder.glob(f"*{FILE}"):  # also of receivers that are not there any more
            with suppress(FileNotFoundError):
                if path != self._path and path.stat().st_mtime < aged:
                    path.unlink()
        with suppress(FileNotFoundError, msgspec.MsgspecError), self._path.open("rb") as lines:
            if msgspec.json.decode(lines.readline(), type=Inbound).at_us < aged * 1e6:
                self._path.replace(older)

    def _count(self) -> None:
        while True:
            try:
                at, door, status, seconds = self._answers.popleft()
            except IndexError:
                return
            hour = int(at) // HOUR_SECONDS
            found = self._hours.get((hour, door))
            if found is None:
                found = self._hours[hour, door] = Hour(hour, door, {})
            name = f"{status // 100}xx"
            found.by_status[name] = found.by_status.get(name, 0) + 1
            found.slow_count += seconds >= SLOW_SECONDS
            found.timed_out_count += seconds >= TIMED_OUT_SECONDS

    def _tell_hours(self) -> None:
        self._forget()
        first = int(self._clock()) // HOUR_SECONDS - KEPT_HOURS
        self._hours = {which: each for which, each in self._hours.items() if which[0] > first}
        self._folder.mkdir(mode=0o700, exist_ok=True)
        draft = self._hours_path.with_suffix(".tmp")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, _encode(list(self._hours.values())))
        finally:
            os.close(handle)
        with suppress(FileNotFoundError):
            draft.replace(self._hours_path)
