"""
The loader's loop: spools -> batches -> `load`, with patience when the database is away.

One batch at a time from one spool at a time; a batch that failed is tried again as it was, so nothing is skipped.
"""

import random
from collections.abc import Callable
from datetime import datetime
from time import monotonic, sleep

import structlog
from sqlalchemy import Engine

from ingest import memory, metrics, set_aside
from ingest.health import LoaderState, loader_state
from ingest.in_hand import Caution
from ingest.interpret import EPOCH
from ingest.load import Loader
from ingest.progress import Tally, move_position, positions
from ingest.spool import identify, spools
from ingest.spool.disk import Disk
from ingest.spool.reader import SpoolReader
from ingest.spool.reader import wait as wait_for_any
from ingest.spool_batch import Batch, OpenSpool, batch_of, unread
from ingest.sqlstate import DATABASE_ERRORS, Verdict, is_out_of_time, told, verdict
from models import failpoints
from models.settings import Settings

IDLE_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0
UPKEEP_SECONDS = 60.0

_WORDS = {
    Verdict.RETRY: "the database is away",
    Verdict.SCHEMA: "the database is not as it should be",
    Verdict.PARTITION: "a partition cannot be made",
    Verdict.BISECT: "the database refuses the loader's own notes",
}
log = structlog.get_logger()


class Drain:
    """
    Everything the loader process keeps between two steps.

    `step` does one unit and says whether there was something to do; `run` repeats it until told to stop.
    """

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        clock: Callable[[], datetime],
        revive: Callable[[], object] = lambda: None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._revive = revive
        self._loader = Loader(engine, settings, clock)
        self._spools: dict[str, OpenSpool] = {}
        self._run_dir = settings.DATA_DIR / "run"
        said = loader_state(self._run_dir) or LoaderState(0)
        # both hold while the database is away
        self._state = LoaderState(0, positions=said.positions, in_hand=said.in_hand)
        self._caution = Caution(said.in_hand, settings.LOAD_BATCH_EVENTS)
        self._failures = 0
        self._upkeep_due = 0.0
        self._is_prepared = False
        self._has_asides = True
        self._begun_at = 0.0
        self._was_full = False
        self._batch_events = settings.LOAD_BATCH_EVENTS

    @property
    def total(self) -> LoaderState:
        """What was loaded since this process began."""
        return self._state

    def step(self) -> bool:
        """Load at most one batch of each spool; say whether there was one. Never raises for the database's sake."""
        try:
            if not self._is_prepared:
                self._prepare()
            self._open_new()
            did = False
            for spool in self._spools.values():
                did = self._step_spool(spool) or did
            self._upkeep()
        except KeyboardInterrupt:
            self._state.in_hand.clear()  # whoever ends it by hand blames no batch
            raise
        except Exception as error:
            if not self._failed(error):
                raise
            return False
        self._failures = 0
        if not did:
            self._tell("ok")
        return did

    def pause(self, did: bool, should_stop: Callable[[], bool]) -> None:
        """Wait for something to do: company for the events at hand, new ones, or the database."""
        if self._failures:
            memory.let_go()
            self._sleep(self._pause_seconds(), should_stop)
        elif did and self._was_full:
            return
        elif self._spools:
            if wait_for_any([spool.reader for spool in self._spools.values()], IDLE_SECONDS):
                self._sleep(self._begun_at + self._settings.LOAD_MAX_WAIT_SECONDS - monotonic(), should_stop)
        else:
            self._sleep(IDLE_SECONDS / 10, should_stop)

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Load until told to stop."""
        while not should_stop():
            self.pause(self.step(), should_stop)

    def is_empty(self) -> bool:
        """Whether every spool is loaded to its end."""
        self._open_new()
        return all(spool.batch is None and not spool.reader.is_behind() for spool in self._spools.values())

    def is_failing(self) -> bool:
        """Whether the last step could not reach or use the database."""
        return self._failures > 0

    def close(self) -> None:
        """Give the spools back; nothing is in hand then, but for what a fault of this program ended with."""
        self._write()
        for spool in self._spools.values():
            spool.reader.close()

    def _prepare(self) -> None:
        self._loader.reset()
        self._loader.prepare()
        self._drop_committed()
        self._is_prepared = True

    def _drop_committed(self) -> None:
        """Let go of a batch that was committed though the answer was lost: loading it again would count it twice."""
        waiting = [spool for spool in self._spools.values() if spool.batch is not None]
        known = positions(self._engine) if waiting else {}
        for spool in waiting:
            if spool.batch is not None and known.get(str(spool.batch.position.spool)) == spool.batch.position:
                spool.committed = spool.batch.position
                spool.batch = None
                spool.reader.release(spool.committed)

    def _open_new(self) -> None:
        found = [folder for folder in spools(self._settings.spool_dir) if folder.name not in self._spools]
        if not found:
            return
        known = positions(self._engine)
        for folder in found:
            reader = SpoolReader(folder, known.get(str(identify(Disk(), folder))))
            spool = OpenSpool(folder.name, reader)
            self._spools[folder.name] = spool
            self._caution.opened(spool.name, spool.place)

    def _step_spool(self, spool: OpenSpool) -> bool:
        if spool.batch is None and not spool.reader.is_behind():
            self._pass_over(spool)
            return False
        self._take(spool)
        if spool.batch is None:
            spool.batch = self._read(spool)
        if spool.batch is None:
            self._state.in_hand.pop(spool.name, None)
            self._pass_over(spool)
            return False
        begun = monotonic()
        batch = spool.batch
        failpoints.passed(failpoints.BATCH_READ)
        tally = self._loader.load(
            batch.payloads, origin=str(batch.position.spool), position=batch.position, asides=batch.asides
        )
        failpoints.passed(failpoints.LOAD_COMMITTED)
        spool.batch = None
        spool.committed = batch.position
        del self._state.in_hand[spool.name]
        self._caution.loaded()
        self._begun_at = begun
        metrics.LOAD_SECONDS.observe(monotonic() - begun)
        self._count(tally)
        self._tell("ok")
        spool.reader.release(batch.position)
        failpoints.passed(failpoints.SPOOL_RELEASED)
        return True

    def _pass_over(self, spool: OpenSpool) -> None:
        """Let go of segments that are loaded, also where nothing has come since the newest one has begun."""
        if (position := spool.reader.next_segment()) is not None:
            move_position(self._engine, position, self._clock())
            spool.committed = position
            spool.reader.release(position)

    def _read(self, spool: OpenSpool) -> Batch | None:
        most = self._most()
        items = spool.reader.read(most, self._settings.LOAD_BATCH_BYTES)
        if not items:
            return None
        self._was_full = len(items) >= most
        batch = batch_of(items, self._clock())
        return unread(batch) if self._caution.is_fatal(spool.name, spool.place, batch.size) else batch

    def _most(self) -> int:
        return min(self._batch_events, self._caution.most)

    def _take(self, spool: OpenSpool) -> None:
        """Write down what is in hand, or about to be read, for who comes after a loader that dies of it."""
        self._state.in_hand[spool.name] = self._caution.taken(spool.name, spool.place, self._most())
        self._write()

    def _count(self, tally: Tally) -> None:
        self._state.loaded_total += tally.loaded
        self._state.duplicate_total += tally.duplicates
        self._state.set_aside_total += tally.set_aside
        self._has_asides = self._has_asides or tally.set_aside > 0
        metrics.PAYLOADS.inc(tally.payloads)
        for outcome, count in (("loaded", tally.loaded), ("duplicate", tally.duplicates), ("refused", tally.refused)):
            metrics.EVENTS.labels(outcome).inc(count)
        metrics.CONFLICTS.inc(tally.conflicts)
        metrics.ISSUE_CHANGES.inc(tally.issue_changes)
        metrics.SET_ASIDE.inc(tally.set_aside)

    def _tell(self, database: str) -> None:
        self._state.heartbeat_us = int((self._clock() - EPOCH).total_seconds() * 1e6)
        self._state.database = database
        for spool in self._spools.values():
            if spool.place is not None:
                self._state.positions[spool.name] = spool.place
        self._write()

    def _write(self) -> None:
        try:
            self._state.write(self._run_dir)
        except OSError as error:
            log.warning("how the loader fares cannot be told", why=str(error))

    def _upkeep(self) -> None:
        if monotonic() < self._upkeep_due:
            return
        self._upkeep_due = monotonic() + UPKEEP_SECONDS
        self._batch_events = min(2 * self._batch_events, self._settings.LOAD_BATCH_EVENTS)
        self._loader.prepare()
        if self._has_asides:
            with self._engine.begin() as connection:
                gone = set_aside.trim(connection, self._settings.SET_ASIDE_MAX_BYTES)
            self._has_asides = False
            if gone:
                metrics.TRIMMED.inc(gone)
                log.warning("set aside is full, the oldest were removed", removed=gone)

    def _failed(self, error: Exception) -> bool:
        """Note a failure that time or an operator will mend; False for one that is a fault of this program."""
        found = verdict(error)
        if not isinstance(error, DATABASE_ERRORS):
            return False
        self._is_prepared = False
        self._state.in_hand.clear()  # it is no fault of the batch, or one that is told
        metrics.LOAD_FAILURES.labels(found.value).inc()
        if is_out_of_time(error) and self._take_less():
            log.warning(
                "a batch took the database too long, smaller ones follow", why=told(error), most=self._batch_events
            )
            return True
        self._failures += 1
        say = log.warning if found is Verdict.RETRY else log.error
        say(f"{_WORDS[found]}; events wait in the spool", why=told(error), attempt=self._failures)
        self._engine.dispose()
        self._tell(told(error))
        if found is Verdict.RETRY:
            self._revive()
        return True

    def _take_less(self) -> bool:
        """Go back to what is committed, and read half as much at a time from there; False when it cannot be less."""
        largest = max((spool.batch.size for spool in self._spools.values() if spool.batch is not None), default=0)
        if largest < 2:
            return False
        self._batch_events = largest // 2
        self.close()
        self._spools.clear()  # they are opened again where the database says
        return True

    def _pause_seconds(self) -> float:
        longest: float = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE_SECONDS)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads attempts, no secret

    def _sleep(self, seconds: float, should_stop: Callable[[], bool]) -> None:
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0 and not should_stop():
            sleep(min(0.1, left))
