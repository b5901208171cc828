"""What the console asks the receiving side for; the front door hands it over: the rooms do not know each other."""

import threading
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ingest import set_aside
from ingest.errors import IngestError
from ingest.inbound import Inbound, reading
from ingest.records import Payload
from models.engine import engine_for
from models.settings import Settings

MOST_SHOWN = 200
MOST_SHOWN_BYTES = 256 * 1024
REPLAY_SECONDS = 20.0  # a page waits so long; what takes longer goes on

log = structlog.get_logger()


class Desk:
    """Answers the console; `replay` loads one thing at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._replay = threading.Lock()

    def requests(
        self, form: str | None, status: str | None, reason: str | None, *, is_slow: bool
    ) -> tuple[list[Mapping[str, Any]], int]:
        """Give the last requests that are of a form or door, a status and a reason."""
        chosen = reading.Chosen(form, status, reason, is_slow)
        found = reading.recent(self._settings.DATA_DIR, chosen, MOST_SHOWN)
        return [_row(one) for one in found.requests], found.left_out

    def request(self, key: str) -> Mapping[str, Any] | None:
        """Give one request by its key."""
        one = reading.by_key(self._settings.DATA_DIR, key)
        return _row(one) if one else None

    def request_bytes(self, connection: Connection, key: str) -> Mapping[str, Any] | None:
        """Give what came with a request, while it is kept as it was sent."""
        one = reading.by_key(self._settings.DATA_DIR, key)
        found = reading.bytes_of(connection, self._settings.spool_dir, one) if one else None
        return _bytes(found.where, found.payload) if found else None

    def aside_bytes(self, connection: Connection, key: int) -> Mapping[str, Any] | None:
        """Give the bytes of a record that is set aside."""
        found = set_aside.payload_of(connection, key)
        return _bytes("set aside", found[2]) if found else None

    def replay(self, key: int | None, reason: str | None) -> str:
        """Load one record again, or all of a reason, and say how it went."""
        if not self._replay.acquire(blocking=False):
            return "Another loading is under way; look again when it is done."
        said: list[str] = []
        thread = threading.Thread(target=self._replayed, args=(key, reason, said), name="replay", daemon=True)
        thread.start()
        thread.join(REPLAY_SECONDS)
        return said[0] if said else "There is much to load: it goes on, and what becomes rows leaves this list."

    def _replayed(self, key: int | None, reason: str | None, said: list[str]) -> None:
        from ingest.replay import replay  # noqa: PLC0415 - only who loads again needs the loader

        engine = engine_for(self._settings.DATABASE_URL or "", application="errhouse replay")
        try:
            tally = replay(engine, self._settings, key, reason)
            changes = f", {tally.issue_changes} changes of issues" if tally.issue_changes else ""
            said.append(
                f"{tally.loaded} loaded, {tally.duplicates} known already{changes}, {tally.set_aside} still set aside."
            )
        except IngestError as wrong:
            said.append(str(wrong))
        except SQLAlchemyError:
            log.exception("loading again failed")
            said.append("The database does not answer, or refused; nothing was lost. Try again in a moment.")
        except Exception:
            log.exception("loading again failed")
            said.append("A fault of errhouse; nothing was lost, and the log of the service says more.")
        finally:
            engine.dispose()
            self._replay.release()


def _row(one: Inbound) -> Mapping[str, Any]:
    return {**msgspec.structs.asdict(one), "key": one.key}


def _bytes(where: str, payload: Payload) -> Mapping[str, Any]:
    body = payload.body[:MOST_SHOWN_BYTES].decode("utf-8", "backslashreplace")
    if len(payload.body) > MOST_SHOWN_BYTES:
        body += "\n… the rest is left out here"
    return {
        "where": where,
        "door": payload.door.value,
        "project_id": payload.project_id,
        "headers": payload.headers,
        "body": body,
        "body_bytes": len(payload.body),
    }
