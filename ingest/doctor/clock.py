"""The clock: by it events are counted, partitions are chosen and messages are sent."""

from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

from sqlalchemy import Connection, text

from ingest.doctor.finding import Context, Finding, ok, worst, wrong
from ingest.health import loader_state
from ingest.spool import segments, spools
from ingest.spool.disk import Disk

MOST_OFF = timedelta(seconds=5)
LOOK_SECONDS = 0.2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SET_IT = "Let both machines keep time by NTP (`timedatectl set-ntp true`), and look what `timedatectl` says."

SERVER_TIME = text("select clock_timestamp()")
# Events whose times are ahead of us.
AHEAD = text(
    "select max(received_at) from warehouse.fact_event where occurred_at > cast(:now as timestamptz) - interval '1 day'"
)


def clock(context: Context) -> Finding:
    """See that our clock goes, agrees with the database's, and is not behind what was written before."""
    begun, first = monotonic(), context.clock()
    sleep(LOOK_SECONDS)
    passed, went = monotonic() - begun, (context.clock() - first).total_seconds()
    if not passed / 2 < went < passed + 1:
        return wrong(f"The clock of this machine does not go: {went:.1f} s passed in {passed:.1f} s.", SET_IT)
    found = [_not_behind("what the spools hold", _written_at(context), context.clock())]
    if said := loader_state(context.run_dir):
        found.append(_not_behind("what the loader said", EPOCH + timedelta(microseconds=said.heartbeat_us), first))
    if context.database.is_reached:
        with context.database.connect() as connection:
            found += [_agreed(connection, context), _newest(connection, context)]
    return worst(found)


def _agreed(connection: Connection, context: Context) -> Finding:
    before = context.clock()
    theirs: datetime = connection.execute(SERVER_TIME).scalar_one()
    off = (theirs - (before + (context.clock() - before) / 2)).total_seconds()
    if abs(off) > MOST_OFF.total_seconds():
        how = "ahead of" if off > 0 else "behind"
        return wrong(f"The clock of the database is {abs(off):,.0f} s {how} this machine's.", SET_IT)
    return ok("The clocks of this machine and of the database agree.")


def _newest(connection: Connection, context: Context) -> Finding:
    return _not_behind("what was loaded", connection.execute(AHEAD, {"now": context.clock()}).scalar(), context.clock())


def _not_behind(what: str, at: datetime | None, now: datetime) -> Finding:
    if at is not None and at - now > MOST_OFF:
        return wrong(
            f"The clock of this machine is before {what}, by {(at - now).total_seconds():,.0f} s.",
            SET_IT + " Events that came while it was wrong keep the time they were given.",
        )
    return ok("The clock of this machine goes.")


def _written_at(context: Context) -> datetime | None:
    newest = None
    for folder in spools(context.settings.spool_dir):
        for number in list(segments(Disk(), folder))[-1:]:
            path = folder / f"{number:020d}.seg"
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            newest = at if newest is None else max(newest, at)
    return newest
