"""
A dictionary for payloads, made of payloads: events of one warehouse say mostly the same, each in a few kilobytes.

It is trained on one half of a sample and judged by the other; only one that saves enough is kept. `errhouse db
maintain` calls `train`; the scheduler and a bulk load have the first one made as soon as there is enough to learn from.
No dictionary is ever removed here: payloads that need it may be anywhere.
"""

from datetime import datetime, timedelta

import structlog
import zstandard
from sqlalchemy import Connection, Engine, insert, text

from models.bookkeeping import PayloadDictionary
from models.clock import midnight
from models.partitions import leaves
from models.payload_samples import faceless
from models.payloads import Codebook, UnknownCodec

FEWEST_PAYLOADS = 1_000
MOST_PAYLOADS = 4_000
LEAVES = 4  # the sample is spread over so many partitions, the newest
DICTIONARY_BYTES = 112 * 1024
LARGEST_BODY_BYTES = 16 * 1024  # compressed; a larger payload is no sample
RENEWED_DAYS = 30
MOST_SIZE = 0.95  # a dictionary is kept when payloads get this small, as a part of their size before
TRAINING_LOCK = 0x65727264696374  # "errdict": one training at a time

TRY_LOCK = text("select pg_try_advisory_xact_lock(:key)")
HAS_DICTIONARY = text("select exists (select from warehouse.payload_dictionary)")
READ_LAST = text("select codec, trained_at from warehouse.payload_dictionary order by codec desc limit 1")

# Projects that have a payload in a range of time: a probe of the key for each.
READ_PROJECTS = text(
    """
    select p.project_id from warehouse.dim_project p
    where exists (
        select from warehouse.event_payload e
        where e.project_id = p.project_id and e.occurred_at >= :since and e.occurred_at < :until
    )
    """
)
# Some payloads of each project, in the order of the key: event ids are random, so it is a sample of the whole range.
READ_SAMPLE = text(
    """
    select sample.codec, sample.body
    from unnest(cast(:project_ids as bigint[])) as p(project_id)
    cross join lateral (
        select e.codec, e.body, row_number() over (order by e.event_id) as turn
        from warehouse.event_payload e
        where e.project_id = p.project_id and e.occurred_at >= :since and e.occurred_at < :until
        and octet_length(e.body) <= :largest_body_bytes
        order by e.event_id limit :each
    ) sample
    order by sample.turn, p.project_id limit :most
    """
)

log = structlog.get_logger()


def train(engine: Engine, now: datetime) -> int | None:
    """
    Train a dictionary if one is due, and keep it as the next codec if it saves enough.

    Gives: its codec; None when none was due, there are too few payloads, it saved too little, or another trains now.
    """
    with engine.begin() as connection:
        if not connection.execute(TRY_LOCK, {"key": TRAINING_LOCK}).scalar_one():
            return None
        last = connection.execute(READ_LAST).one_or_none()
        if last is not None and now - last.trained_at < timedelta(days=RENEWED_DAYS):
            return None
        book = Codebook.read(connection)
        bodies = _sample(connection, book)
        if len(bodies) < FEWEST_PAYLOADS:
            return None
        codec = (last.codec if last is not None else 0) + 1
        learnt, judged = bodies[0::2], bodies[1::2]
        body = dictionary(learnt, codec)
        if body is None:
            return None
        gain = size(Codebook({codec: body}), judged) / size(book, judged)
        log.info("a dictionary of payloads was trained", codec=codec, gain=round(gain, 3), is_kept=gain <= MOST_SIZE)
        if gain > MOST_SIZE:
            return None
        made = {"codec": codec, "trained_at": now, "sample_count": len(learnt), "gain": gain, "body": body}
        connection.execute(insert(PayloadDictionary), made)
        return codec


def train_first(engine: Engine, now: datetime) -> int | None:
    """Train a dictionary where there is none; gives what `train` gives."""
    with engine.connect() as connection:
        if connection.execute(HAS_DICTIONARY).scalar():
            return None
    return train(engine, now)


def dictionary(bodies: list[bytes], codec: int) -> bytes | None:
    """Make a dictionary of payloads, without whatever in them tells a person; None where they do not suffice."""
    samples: list[bytes | bytearray | memoryview[int]] = [*faceless(bodies)]
    try:
        return zstandard.train_dictionary(DICTIONARY_BYTES, samples, dict_id=codec).as_bytes()
    except zstandard.ZstdError:
        return None


def size(book: Codebook, bodies: list[bytes]) -> int:
    """Give what payloads take with a codebook."""
    return sum(len(book.compress(body)[1]) for body in bodies)


def _sample(connection: Connection, book: Codebook) -> list[bytes]:
    """Read some payloads of each project, from the newest partitions that have any."""
    there: list[dict[str, object]] = []
    for leaf in reversed(leaves(connection, "event_payload")):
        days = {"since": midnight(leaf.first), "until": midnight(leaf.end)}
        if project_ids := list(connection.execute(READ_PROJECTS, days).scalars()):
            there.append({**days, "project_ids": project_ids})
        if len(there) == LEAVES:
            break
    found: list[bytes] = []
    while there:  # the oldest first: what it does not have is taken of the newer ones
        most = (MOST_PAYLOADS - len(found)) // len(there)
        found += _of_leaf(connection, book, there.pop(), most)
    return found


def _of_leaf(connection: Connection, book: Codebook, asked: dict[str, object], most: int) -> list[bytes]:
    """Read so many payloads of one partition, as many of each project as there are, or as it takes."""
    project_ids = asked["project_ids"]
    assert isinstance(project_ids, list)  # noqa: S101 - a list of ids
    each = max(1, most // len(project_ids))
    while True:
        values = {**asked, "each": each, "most": most, "largest_body_bytes": LARGEST_BODY_BYTES}
        rows = connection.execute(READ_SAMPLE, values).all()
        if len(rows) >= most or each >= most:
            break
        each = min(4 * each, most)
    bodies = []
    for codec, body in rows:
        try:
            bodies.append(book.decompress(codec, bytes(body)))
        except (UnknownCodec, zstandard.ZstdError):
            continue
    if len(bodies) < len(rows):
        log.warning("payloads cannot be read, so they are no samples", payloads=len(rows) - len(bodies))
    return bodies
