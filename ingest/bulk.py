"""
`errhouse load`: files into rows, by the same path as everything else.

A file is read line by line where each line is a document, else as one document. How far a file is loaded is written
down as it goes, so an interrupted load goes on where it was, and a finished one is not read again.
"""

import codecs
import gzip
import io
import itertools
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
import structlog
import zstandard
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ingest import jsontext
from ingest.bulk_workers import Document, Workers
from ingest.errors import IngestError
from ingest.forms import FORM_HEADER, FORMS
from ingest.progress import Tally, move_position, positions
from ingest.spool import Position
from ingest.sqlstate import told
from models.clock import now
from models.payload_training import MOST_PAYLOADS, train_first
from models.settings import Settings

STANDARD_INPUT = Path("-")
HEAD_BYTES = 64 * 1024
PACKED_BYTES = 16 * 1024  # may stand for very much more
EVENT_KEYS = frozenset({"event_id", "eventID", "timestamp", "message", "logentry", "exception", "level"})
MAX_DOCUMENT_BYTES = 512 * 1024 * 1024
BATCH_EVENTS = 2000
BREAKS = (OSError, EOFError, zlib.error, zstandard.ZstdError)
PARALLEL_BYTES = 8 * 1024 * 1024  # smaller files are loaded before another process has started

log = structlog.get_logger()


def check(files: Sequence[Path], form: str | None) -> None:
    """Refuse what cannot be loaded before anything is: raises IngestError, one sentence."""
    names = [each.NAME for each in FORMS]
    if form is not None and form not in names:
        raise IngestError(f"There is no form {form!r}; --form takes one of {', '.join(names)}.")
    for file in files:
        if file == STANDARD_INPUT:
            continue
        if not file.is_file():
            raise IngestError(f"{file} is not a file that can be read; give NDJSON or JSON files, or `-`.")


def load_files(
    engine: Engine,
    settings: Settings,
    files: Sequence[Path],
    project_id: int | None,
    form: str | None,
    *,
    is_again: bool,
    is_quiet: bool,
) -> Tally:
    """
    Load files one after the other; give what became of all.

    Raises: IngestError when a file breaks off or the database does: what was loaded stays, and the same call goes on.
    """
    known = {} if is_again else positions(engine)
    headers = {FORM_HEADER: form} if form else {}
    total = Tally()
    is_taught = settings.PAYLOAD_RETENTION_DAYS == 0  # then nothing is kept that a dictionary would make smaller
    is_large = any(file == STANDARD_INPUT or file.stat().st_size > PARALLEL_BYTES for file in files)
    url = engine.url.render_as_string(hide_password=False)
    with Workers(url, settings, is_parallel=is_large) as workers, _progress(is_quiet) as progress:
        for file in files:
            mark = _mark(file, project_id, form)
            size = None if file == STANDARD_INPUT else file.stat().st_size
            task = progress.add_task(file.name, total=size)
            done = known[str(mark)].offset if mark and str(mark) in known else 0
            try:
                with _opened(file) as (stream, raw):
                    broken: list[Exception] = []
                    batches = _batches(documents(stream), done, settings, broken)
                    for tally, number in workers.load(batches, project_id, headers):
                        total = total.plus(tally)
                        if not is_taught and total.loaded >= MOST_PAYLOADS:
                            is_taught = True
                            _teach(engine)
                        if mark:
                            move_position(engine, Position(mark, 0, number), now())
                        if size is not None:  # a pipe has neither a size nor a place in it
                            progress.update(task, completed=raw.tell())
                    if broken:
                        raise broken[0]
            except BREAKS as error:
                raise IngestError(
                    f"{file} breaks off ({error}); what came before is loaded; mend it and load it again."
                ) from None
            progress.update(task, completed=size)
    return total


def _teach(engine: Engine) -> None:
    """Have a first dictionary made of what is loaded by now: payloads take a fifth of the room, and less time."""
    try:
        train_first(engine, now())
    except SQLAlchemyError as error:
        log.warning("no dictionary of payloads could be made; they are kept without", why=told(error))


def _progress(is_quiet: bool) -> Progress:
    console = Console(stderr=True, quiet=is_quiet or not sys.stderr.isatty())
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console)


def documents(stream: IO[bytes]) -> Iterator[Document]:
    """Cut a stream into documents: lines, elements of an array, or the whole."""
    buffered = io.BufferedReader(stream, HEAD_BYTES) if isinstance(stream, io.RawIOBase) else stream
    first = buffered.readline(MAX_DOCUMENT_BYTES).removeprefix(codecs.BOM_UTF8)
    while first and not first.strip():
        first = buffered.readline(MAX_DOCUMENT_BYTES)
    if not first:
        return
    second = buffered.readline(MAX_DOCUMENT_BYTES)
    if (jsontext.is_json(first.strip()) or _is_line_after_a_bad_one(first, second)) and not _is_item_header(second):
        number = 0
        for line in itertools.chain((first, second), iter(lambda: buffered.readline(MAX_DOCUMENT_BYTES), b"")):
            if line.strip():
                for body in _elements(line.strip()):
                    number += 1
                    yield Document(body, number)
        return
    whole = first + second + buffered.read(MAX_DOCUMENT_BYTES)
    for number, body in enumerate(_elements(whole), 1):
        yield Document(body, number)


def _elements(document: bytes) -> list[bytes]:
    """Cut an array into its elements; anything else is one."""
    if document[:1] != b"[":
        return [document]
    try:
        return [bytes(each) for each in msgspec.json.decode(document, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return [document]


def _is_line_after_a_bad_one(first: bytes, second: bytes) -> bool:
    """Whether a second line is an object of its own, so that the first one is no part of it but damaged."""
    return first.lstrip()[:1] != b"[" and second[:1] == b"{" and jsontext.is_json(second.strip())


def _is_item_header(line: bytes) -> bool:
    """Whether a second line is an envelope's item header: then lines are no documents of their own."""
    try:
        told = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError):
        return False
    return "type" in told and len(line) < 1024 and EVENT_KEYS.isdisjoint(told)


def _batches(
    found: Iterator[Document], done: int, settings: Settings, broken: list[Exception]
) -> Iterator[list[Document]]:
    """Gather documents; where the file breaks off they end, and why stands in `broken`."""
    batch: list[Document] = []
    size = 0
    while True:
        try:
            each = next(found, None)
        except BREAKS as error:
            broken.append(error)
            break
        if each is None:
            break
        if each.number <= done:
            continue
        batch.append(each)
        size += len(each.body)
        if len(batch) >= BATCH_EVENTS or size >= settings.LOAD_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _mark(file: Path, project_id: int | None, form: str | None) -> UUID | None:
    """Name a file as it is now and is read now, so that its position fits only as long as neither is changed."""
    if file == STANDARD_INPUT:
        return None
    found = file.stat()
    return uuid5(NAMESPACE_URL, f"file:{file.resolve()}:{found.st_size}:{found.st_mtime_ns}:{project_id}:{form}")


class _opened:  # noqa: N801 - reads as a verb where it is used
    """Open a file and undo its compression; gives the stream, and the file below it for the progress bar."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> tuple[IO[bytes], IO[bytes]]:
        raw: IO[bytes] = sys.stdin.buffer if self._file == STANDARD_INPUT else self._file.open("rb")
        self._raw = raw
        head = raw.peek(4)[:4] if isinstance(raw, io.BufferedReader) else b""
        if head[:2] == b"\x1f\x8b":
            return gzip.GzipFile(fileobj=raw), raw  # type: ignore[return-value]
        if head == b"\x28\xb5\x2f\xfd":
            return io.BufferedReader(_Zstd(raw), HEAD_BYTES), raw
        return raw, raw

    def __exit__(self, *_: object) -> None:
        if self._file != STANDARD_INPUT:
            self._raw.close()


class _Zstd(io.RawIOBase):
    """Frames of zstd one after the other; the library's own reader takes one that is cut off for its end."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_between = True
        self._rest = b""
        self._ready = b""

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Give what comes next; raises EOFError where a frame is cut off."""
        while not self._ready:
            data = self._rest or self._packed.read(PACKED_BYTES)
            if not data:
                if self._is_between:
                    return 0
                raise EOFError("the last frame is cut off")
            self._ready = self._frame.decompress(data)
            self._is_between, self._rest = self._frame.eof, self._frame.unused_data
            if self._is_between:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
        view = memoryview(buffer)
        size = min(len(view), len(self._ready))
        view[:size], self._ready = self._ready[:size], self._ready[size:]
        return size
