"""How a file of the archive is written: streamed, with bounded memory, durable before it has its name."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from models.archive_files import MANIFEST, PAYLOAD, State
from models.views.events import EVENTS

GROUP_ROWS = 122_880  # rows of a row group: what DuckDB gives to one thread
GROUP_BYTES = 48 * 1024 * 1024  # bytes of a row group before encoding; bounds memory where events are large
ZSTD_LEVEL = 3
UNIQUE = ("event_id", "trace_id", "payload")  # a dictionary of them would be as large as they are
ORDER = ("occurred_at", "event_id")
KINDS = {
    "uuid": "string",
    "text": "string",
    "jsonb": "string",
    "bigint": "int64",
    "integer": "int32",
    "smallint": "int16",
    "boolean": "bool_",
    "real": "float32",
    "double precision": "float64",
    "date": "date32",
}


class Writer:
    """One file in the making: under a name that readers pass over, until `close` has made it durable."""

    def __init__(self, path: Path, *, has_payloads: bool) -> None:
        import pyarrow as pa  # noqa: PLC0415 - commands that need no Parquet start faster
        import pyarrow.parquet as pq  # noqa: PLC0415 - the same

        self.path = path
        self.event_count = self.payload_count = 0
        self._has_payloads = has_payloads
        fields = [(column.name, _arrow(column.type)) for column in EVENTS.columns]
        self._schema = pa.schema([*fields, (PAYLOAD, pa.string())] if has_payloads else fields)
        self._waiting: list[Any] = []
        self._part = path.with_name(f".{path.name}.part")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._file = os.fdopen(os.open(self._part, flags, 0o600), "wb")
        names = self._schema.names
        self._parquet = pq.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[name for name in names if name not in UNIQUE],
            write_statistics=[name for name in names if name != PAYLOAD],
            write_page_checksum=True,
            sorting_columns=[pq.SortingColumn(names.index(name)) for name in ORDER],
        )

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, whose values stand in the order of the view's columns, then the payload where there is one."""
        import pyarrow as pa  # noqa: PLC0415 - commands that need no Parquet start faster

        columns = zip(*rows, strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        batch = pa.record_batch(arrays, schema=self._schema)
        self.event_count += batch.num_rows
        if self._has_payloads:
            self.payload_count += batch.num_rows - batch.column(PAYLOAD).null_count
        self._waiting.append(batch)
        waiting = self._waiting
        if sum(b.num_rows for b in waiting) >= GROUP_ROWS or sum(b.nbytes for b in waiting) >= GROUP_BYTES:
            self._flush()

    def close(self, project_id: int, day: date, state: State, written_at: datetime, schema_version: str) -> int:
        """Finish the file, make it durable and give it its name; return its size in bytes."""
        self._flush()
        told = {
            "project_id": project_id,
            "day": day,
            "state": state._asdict(),
            "payload_count": self.payload_count if self._has_payloads else None,
            "written_at": written_at,
            "version": version("errhouse"),
            "schema_version": schema_version,
        }
        self._parquet.add_key_value_metadata(
            {MANIFEST.decode(): json.dumps(told, default=lambda moment: moment.isoformat())}
        )
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._file.close()
        self._part.rename(self.path)
        for folder in self.path.parents[:4]:
            _sync(folder)
        return size

    def abandon(self) -> None:
        """Leave nothing behind; what stood under the name before stays."""
        for each in (self._parquet, self._file):
            with suppress(OSError, ValueError):
                each.close()
        self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - commands that need no Parquet start faster

        if self._waiting:
            self._parquet.write_table(pa.Table.from_batches(self._waiting), row_group_size=GROUP_ROWS)
            self._waiting = []


def _arrow(kind: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - commands that need no Parquet start faster

    if kind == "timestamp with time zone":
        return pa.timestamp("us", tz="UTC")
    return pa.list_(_arrow(kind[:-2])) if kind.endswith("[]") else getattr(pa, KINDS[kind])()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
