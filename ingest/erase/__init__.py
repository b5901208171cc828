"""
Taking a person out of the warehouse: `errhouse db erase --user VALUE`. Events and counts stay, the person does not.

Every step is a bounded transaction and finds by itself what is still to be done, so that a run that broke off is ended
by the next one. The order matters: what was accepted is loaded first; the rows of dim_user go in the transaction that
writes down which keys stand in for theirs; the note of that is emptied last.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from ingest.erase import spool, users
from ingest.erase.artifacts import erase_artifacts
from ingest.erase.descriptions import OwnKeys, erase_descriptions
from ingest.erase.events import erase_leaf
from ingest.erase.outside import archives_with, dictionaries_with, erase_asides, targets_with
from ingest.erase.person import Person
from ingest.erase.sketches import TABLES as SKETCHED
from ingest.erase.sketches import replace_rest
from ingest.erase.users import StandIns
from models.corrections import correcting, hold_patiently
from models.ownership import as_owner
from models.partitions import Leaf, leaves
from models.settings import Settings

CLOSING = (
    "What the database's write-ahead log, its backups and replicas hold is out of reach of this command, and so are "
    "files that were exported or mailed; freed pages of tables are overwritten as new rows come, "
    "or at once by VACUUM FULL."
)


class Report(NamedTuple):
    """What was removed, place by place, or would be; and what is left for a person to do."""

    is_dry: bool
    removed: dict[str, int]
    left: list[str]

    @property
    def is_nothing(self) -> bool:
        """Whether the person was nowhere."""
        return not self.removed and not self.left


def erase(
    engine: Engine,
    settings: Settings,
    value: str,
    at: datetime,
    pause: Callable[[float], None],
    project_id: int | None = None,
    *,
    is_dry: bool,
) -> Report:
    """
    Erase whom a value names: an e-mail address, a user's id or name, an IP address; first end what broke off before.

    Takes: `at`, the time it is; `pause`, which waits so many seconds; `is_dry`: tell, and change nothing.
    Raises: AnotherCorrects, StillSpooled; sqlalchemy.exc.DBAPIError: the same call goes on where it broke off.
    """
    if not is_dry:
        spool.clear(settings, engine.url.render_as_string(hide_password=False), pause)
    run = _Run(engine, at, project_id, is_dry=is_dry)
    with correcting(engine):
        with engine.connect() as connection:
            begun = users.unfinished(connection)
            found = users.find(connection, value, project_id)
        if not is_dry:
            for identifiers, stand_ins in begun.items():
                if identifiers != found.identifiers:
                    run.person(Person(identifiers), stand_ins, {})
        person = Person(found.identifiers)
        run.person(person, begun.get(found.identifiers, {}), found.keys)
        left = _left(engine, settings, person)
        if not is_dry:
            left += _vacuumed(engine, run.touched)
            left += run.notes
    return Report(is_dry, dict(+run.removed), left)


class _Run:
    """One run: what it removed, which tables it touched, and what it has to tell."""

    def __init__(self, engine: Engine, at: datetime, project_id: int | None, *, is_dry: bool) -> None:
        self._engine = engine
        self._at = at
        self._project_id = project_id
        self._is_dry = is_dry
        self._payload_parts: list[Leaf] = []
        self.removed: Counter[str] = Counter()
        self.touched: set[str] = set()
        self.notes: list[str] = []

    def person(self, person: Person, begun: dict[int, StandIns], keys: dict[int, list[int]]) -> None:
        """Erase one person everywhere."""
        with self._engine.connect() as connection:
            known = users.projects(connection, self._project_id)
            parts = leaves(connection)
            self._payload_parts = leaves(connection, "event_payload")
        for project_id in sorted({*known, *begun, *keys}):
            self._project(person, project_id, parts, begun.get(project_id, {}), keys.get(project_id, []))
        ours = erase_descriptions(self._engine, person, None, {}, is_dry=self._is_dry)
        self._count(ours)
        self.touched.update(ours)
        asides = erase_asides(self._engine, person, self._project_id, is_dry=self._is_dry)
        self._count({"set_aside": asides.struck_count, "set_aside (whole records)": asides.removed_count})
        if any(asides):
            self.touched.add("set_aside")
        if artifacts := erase_artifacts(self._engine, person, is_dry=self._is_dry):
            self._count({"report_artifact (files of reports)": artifacts})
            self.touched.add("report_artifact")

    def _project(self, person: Person, project_id: int, parts: list[Leaf], begun: StandIns, keys: list[int]) -> None:
        stand_ins = dict(begun)
        if keys and self._is_dry:
            stand_ins |= {key: key for key in keys}
        elif keys:
            stand_ins |= users.begin(self._engine, project_id, keys, person.identifiers, self._at)
            self.touched.add("dim_user")
        self._count({"dim_user": len(keys)})
        own: OwnKeys = {"user_key": set(stand_ins)} if stand_ins else {}
        for leaf in parts:
            erased = erase_leaf(self._engine, person, project_id, leaf, stand_ins, self._at, is_dry=self._is_dry)
            self._count(
                {
                    "event_payload": erased.payload_count,
                    "fact_event (events of the person)": erased.own_count,
                    "fact_event (other events that name them)": erased.text_count,
                    "users counted in rollups": erased.sketch_count,
                }
            )
            for name, found in erased.own_keys.items():
                own.setdefault(name, set()).update(found)
            if erased.payload_count:
                self.touched |= {
                    f"event_payload_p{part.first:%Y_%m_%d}"
                    for part in self._payload_parts
                    if part.first < leaf.end and leaf.first < part.end
                }
            if erased.own_count or erased.text_count:
                self.touched.add(f"fact_event_p{leaf.first:%Y_%m_%d}")
        descriptions = erase_descriptions(self._engine, person, project_id, own, is_dry=self._is_dry)
        self._count(descriptions)
        self.touched.update(name.partition(".")[0] for name in descriptions)
        if stand_ins and not self._is_dry:
            self._finish(project_id, stand_ins)

    def _finish(self, project_id: int, stand_ins: StandIns) -> None:
        with self._engine.begin() as connection:
            hold_patiently(connection, [project_id])
            busy = users.sent_again(connection, project_id, stand_ins)
            self._count({"users counted in rollups": replace_rest(connection, project_id, stand_ins, busy)})
            users.finish(connection, project_id, stand_ins, self._at)
        self.touched.update((*SKETCHED, "erasure"))
        if busy:
            self.notes.append(f"The person has sent to project {project_id} meanwhile; run the same command again.")

    def _count(self, counts: dict[str, int]) -> None:
        self.removed.update(counts)


def _left(engine: Engine, settings: Settings, person: Person) -> list[str]:
    """Look where nothing can be rewritten, and say what to do about it."""
    left = []
    if numbers := dictionaries_with(engine, person):
        named = ", ".join(map(str, numbers))
        left.append(
            f"Dictionaries of payloads hold the person: {named}. They go when no payload is packed with them any more: "
            "train a new one, and let the payloads' retention pass."
        )
    if names := targets_with(engine, person):
        named = ", ".join(names)
        left.append(f"Messages go to the person: {named}; see `errhouse target list`, and add these anew without them.")
    folder = settings.DATA_DIR / "archive"
    left += [
        f"The archive's file {name} holds the person or cannot be read; errhouse does not rewrite it: take it away, "
        "or write it again without them."
        for name in archives_with(folder, person)
    ]
    return left


def _vacuumed(engine: Engine, tables: set[str]) -> list[str]:
    """Let the dead rows go, as the owner where we may be that; give what could not be done."""
    refused = []
    engine = engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, as_owner(connection, local=False):
        for table in sorted(tables):
            try:
                connection.exec_driver_sql(f"vacuum warehouse.{table}")  # the names are our own tables'
            except DBAPIError:
                refused.append(table)
    if not refused:
        return []
    return [
        f"VACUUM was refused, so dead rows still hold what was removed: {', '.join(refused)}; run it as their owner."
    ]
