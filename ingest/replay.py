"""Load again what was set aside, one record at a time; a crash before its removal repeats one, without effect."""

from sqlalchemy import Engine

from ingest import set_aside
from ingest.errors import IngestError
from ingest.interpret import interpret
from ingest.load import Loader
from ingest.progress import Tally
from models.clock import now
from models.settings import Settings

ORIGIN = "replay"


def replay(engine: Engine, settings: Settings, key: int | None, reason: str | None) -> Tally:
    """
    Load one record, or all of a reason, or all.

    A record that has all its rows now is forgotten; what still cannot be read, or stored, stays as it is.
    Raises: IngestError when there is no such record.
    """
    with engine.connect() as connection:
        keys = [key] if key is not None else set_aside.keys(connection, reason)
    loader = Loader(engine, settings, now)
    total = Tally()
    for each in keys:
        with engine.connect() as connection:
            found = set_aside.payload_of(connection, each)
            seen_before = set_aside.seen_count(connection, each)
        if found is None:
            if key is not None:
                raise IngestError(f"There is no set-aside record {key}; `errhouse set-aside list` shows them.")
            continue
        payload = found[2]
        understood = interpret(payload, lambda _: True)
        if not understood.records and not understood.changes:
            total = total.plus(Tally(payloads=1, set_aside=1))
            continue
        tally = loader.load([payload], origin=ORIGIN)
        with engine.begin() as connection:
            # the loader alone knows for which reasons it has set the payload aside again
            if times := min(set_aside.seen_count(connection, each) - seen_before, tally.set_aside):
                set_aside.not_seen(connection, each, times)
            else:
                set_aside.remove(connection, each)  # it has its rows, or is set aside anew for another reason
        total = total.plus(tally)
    return total
