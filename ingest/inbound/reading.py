"""Read what receivers wrote down: the last requests, those that come, and the bytes of one of them."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, text

from ingest import set_aside
from ingest.inbound import FILE, OLDER_FILE, Inbound
from ingest.records import Payload
from ingest.spool import identify, segments
from ingest.spool.disk import Disk
from ingest.spool.segment_reader import Record, SegmentReader
from models.answers import FOLDER, SLOW_SECONDS

MOST_LOOKED_AT = 200  # set-aside records that came at about the time of a request
AROUND_SECONDS = 5  # a payload is stamped within its request
TAKE_RECORDS, TAKE_BYTES = 500, 8 * 1024 * 1024

# What is set aside of about the size and time of a request.
SET_ASIDE_LIKE = text(
    """
    select set_aside_key from warehouse.set_aside
    where body_bytes = :body_bytes
        and first_received_at <= to_timestamp(:at) + make_interval(secs => :around)
        and last_received_at >= to_timestamp(:at) - make_interval(secs => :around)
    order by set_aside_key limit :most
    """
)

_line = msgspec.json.Decoder(Inbound)
_payload = msgspec.msgpack.Decoder(Payload)


class Chosen(NamedTuple):
    """Which requests are wanted; None and False mean all."""

    form: str | None = None
    status: str | None = None  # such as 401 or 4xx
    reason: str | None = None
    is_slow: bool = False

    def takes(self, one: Inbound) -> bool:
        """Whether a request is among them."""
        return (
            not one.left_out
            and (self.form is None or self.form in (one.form, one.door))
            and (self.status is None or self.status.lower() in (str(one.status), f"{one.status // 100}xx"))
            and (self.reason is None or one.reason == self.reason)
            and (not self.is_slow or one.ms >= SLOW_SECONDS * 1e3)
        )


class Found(NamedTuple):
    """The last requests, latest first, and how many the log left out in the time it covers."""

    requests: list[Inbound]
    left_out: int


class Kept(NamedTuple):
    """The bytes of a request and where they are."""

    where: str
    payload: Payload


def recent(data_dir: Path, chosen: Chosen, top: int) -> Found:
    """Give the last requests of all receivers."""
    found: list[Inbound] = []
    left_out = 0
    for path in sorted((data_dir / FOLDER).glob(f"*{FILE}")):
        for one in _lines(_content(path)):
            left_out += one.left_out
            if chosen.takes(one):
                found.append(one)
    found.sort(key=lambda one: one.at_us, reverse=True)
    return Found(found[:top], left_out)


class Following:
    """What is written after it was made; `more` gives what came since the last time."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER
        self._at: dict[str, tuple[int, int]] = {path.name: self._place(path) for path in self._paths()}

    def more(self, chosen: Chosen) -> list[Inbound]:
        """Give it, oldest first."""
        found: list[Inbound] = []
        for path in self._paths():
            inode = self._place(path)[0]
            known, offset = self._at.get(path.name, (inode, 0))
            if inode != known:  # the file was begun anew; its end is in the older one
                older = self._folder / (path.name.removesuffix(FILE) + OLDER_FILE)
                if self._place(older)[0] == known:
                    found += _lines(_content(older, offset))
                offset = 0
            told = _content(path, offset)
            whole = told[: told.rfind(b"\n") + 1]
            found += _lines(whole)
            self._at[path.name] = (inode, offset + len(whole))
        return sorted((one for one in found if chosen.takes(one)), key=lambda one: one.at_us)

    def _paths(self) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"*{FILE}") if not path.name.endswith(OLDER_FILE))

    @staticmethod
    def _place(path: Path) -> tuple[int, int]:
        try:
            found = path.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_size


def by_key(data_dir: Path, key: str) -> Inbound | None:
    """Give the request of a key, None when the log has it no more."""
    return next((one for one in recent(data_dir, Chosen(), 1_000_000).requests if one.key == key), None)


def bytes_of(connection: Connection, spool_dir: Path, one: Inbound) -> Kept | None:
    """Find the bytes of a request where they still are: set aside, or in the spool of its receiver."""
    if not one.sha256:
        return None
    told = {
        "body_bytes": one.body_bytes, "at": one.at_us / 1e6, "around": AROUND_SECONDS, "most": MOST_LOOKED_AT,
    }  # fmt: skip
    for key in connection.execute(SET_ASIDE_LIKE, told).scalars():
        found = set_aside.payload_of(connection, key)
        if found and _is_of(found[2], one):
            return Kept(f"set aside as {key}", found[2])
    for payload in _spooled(spool_dir / one.receiver):
        if abs(payload.received_at_us - one.at_us) < AROUND_SECONDS * 1_000_000 and _is_of(payload, one):
            return Kept("in the spool", payload)
    return None


def _is_of(payload: Payload, one: Inbound) -> bool:
    return len(payload.body) == one.body_bytes and sha256(payload.body).hexdigest()[:12] == one.sha256


def _spooled(folder: Path) -> Iterator[Payload]:
    """Read a spool beside those whose it is; a segment that goes meanwhile is loaded."""
    disk = Disk()
    if not folder.name.isdecimal() or not folder.is_dir():
        return
    spool = identify(disk, folder) or UUID(int=0)
    for number in reversed(segments(disk, folder)):
        try:
            reader = SegmentReader(disk, folder, number, spool)
        except FileNotFoundError:
            continue
        try:
            while found := reader.take(TAKE_RECORDS, TAKE_BYTES):
                for each in found:
                    if isinstance(each, Record):
                        try:
                            yield _payload.decode(each.payload)
                        except msgspec.MsgspecError:
                            continue
        finally:
            reader.close()


def _content(path: Path, offset: int = 0) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except OSError:
        return b""


def _lines(told: bytes) -> Iterator[Inbound]:
    for line in told.splitlines():
        try:
            yield _line.decode(line)
        except msgspec.MsgspecError:
            continue  # half of a line, after a crash
