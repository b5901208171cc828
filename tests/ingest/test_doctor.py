"""Each check of the doctor, on faults that are planted: it finds them, and names the cure."""

import asyncio
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from ingest import doctor
from ingest.cli_doctor import reached
from ingest.doctor import (
    Context,
    Database,
    Finding,
    State,
    address,
    answers,
    clock,
    database,
    examine,
    loading,
    messages,
    projects,
    schema,
    secret,
    senders,
    spool,
)
from ingest.doctor.finding import Skip, ok
from ingest.inbound.log import InboundLog, Seen
from ingest.records import Door
from ingest.spool import SpoolFull
from ingest.spool.writer import SpoolWriter
from models import access, migrate
from models.answers import answers_of_day
from models.clock import now
from models.partitions import Partitions
from models.projects import added
from models.settings import MIB, Settings
from models.target import MOST_PER_MINUTE
from reports.delivery.targets import Target
from reports.delivery.targets_kept import Targets
from reports.looked import scripts, targets
from tests.support import postgres
from tests.support.builders import event
from tests.support.loading import Clock, sdk, told
from tests.support.loading import loading as loader
from tests.support.roles import login
from tests.support.vendor import Authority, vendor

AWAY = Database(None, "It does not answer.")
LONG = "0123456789abcdef" * 4


def context(folder: Path, base: Database = AWAY, **more: Any) -> Context:
    given = {name: more.pop(name) for name in [*more] if name.isupper()}
    return Context(Settings(DATA_DIR=folder, **given), base, more.pop("clock", now), **more)


@contextmanager
def at(url: str) -> Iterator[Database]:
    with reached(Settings(DATABASE_URL=url)) as found:
        yield found


def found(check: doctor.Check, given: Context) -> Finding:
    (finding,) = examine(given, [check])
    return finding


def is_wrong(finding: Finding, sentence: str, cure: str, state: State = State.WRONG) -> bool:
    assert (finding.state, sentence in finding.sentence, cure in finding.cure) == (state, True, True), finding
    return True


def test_every_file_of_the_folder_has_a_check_and_every_check_a_sentence() -> None:
    files = {path.stem for path in Path(str(doctor.__file__)).parent.glob("*.py")}
    assert files - {"__init__", "finding", "asking"} == {each.__module__.rpartition(".")[2] for each in doctor.CHECKS}
    names = [doctor.name_of(each) for each in doctor.CHECKS]
    assert len({*names}) == len(names)
    assert all((each.__doc__ or "").startswith("See ") for each in doctor.CHECKS)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md").read_text()
    assert [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")][1:] == names


def test_a_check_that_fails_or_hangs_costs_the_others_nothing(tmp_path: Path) -> None:
    def hangs(_: Context) -> Finding:
        time.sleep(30)
        return ok("Never.")

    def breaks(_: Context) -> Finding:
        raise ValueError("a secret value")

    def skips(_: Context) -> Finding:
        raise Skip("Not here.")

    def is_well(_: Context) -> Finding:
        return ok("Well.")

    begun = time.monotonic()
    told_ = examine(context(tmp_path), [hangs, breaks, skips, is_well], 0.5)
    assert time.monotonic() - begun < 5
    assert [(each.name, each.state) for each in told_] == [
        ("hangs", State.WRONG),
        ("breaks", State.WRONG),
        ("skips", State.SKIPPED),
        ("is well", State.OK),
    ]
    assert "0.5 s" in told_[0].sentence
    assert "secret" not in told_[1].sentence


@pytest.mark.parametrize(
    ("value", "state"),
    [(LONG, State.OK), ("0123456789abcdefghij", State.WARNING), ("changeme", State.WRONG), ("a" * 40, State.WRONG),
     (f'"{LONG}"', State.WRONG), ("your-client-secret-from-sentry-here", State.WRONG)],
)  # fmt: skip
def test_a_secret_that_can_be_guessed_is_wrong(tmp_path: Path, value: str, state: State) -> None:
    finding = found(secret.secret, context(tmp_path, WEBHOOK_SECRETS=value))
    assert finding.state is state
    assert value not in finding.sentence + finding.cure


def test_a_secret_that_others_can_read_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / access.SECRET_FILE
    path.write_text(LONG)
    path.chmod(0o644)
    assert is_wrong(found(secret.secret, context(tmp_path)), "Others can read", "chmod 600")
    path.write_text("\n")
    assert is_wrong(found(secret.secret, context(tmp_path)), "empty", "ERRHOUSE_WEBHOOK_SECRETS")


@pytest.mark.parametrize(("names", "is_expired", "says"), [
    (("localhost",), False, ""),
    (("localhost",), True, "expired"),
    (("elsewhere.example",), False, "ostname mismatch"),
])  # fmt: skip
def test_a_certificate_must_be_valid_and_of_the_name(
    tmp_path: Path, names: tuple[str, ...], is_expired: bool, says: str
) -> None:
    authority = Authority(tmp_path, *names, is_expired=is_expired)
    with vendor(authority=authority) as server:
        url = f"https://localhost:{server.port}"

        def trusting() -> ssl.SSLContext:
            return ssl.create_default_context(cafile=str(authority.ca_file))

        finding = found(address.tls, context(tmp_path, PUBLIC_URL=url, tls=trusting))
        if says:
            assert is_wrong(finding, says, "certificate for localhost")
        else:
            assert is_wrong(finding, "9 more days", "Renew", State.WARNING)
        unknown = found(address.tls, context(tmp_path, PUBLIC_URL=url))
        assert is_wrong(unknown, "Senders refuse", "SSL_CERT_FILE")


def test_plain_http_across_a_network_is_warned_of(tmp_path: Path) -> None:
    finding = found(address.tls, context(tmp_path, PUBLIC_URL="http://errors.example.com"))
    assert is_wrong(finding, "not https", "TLS", State.WARNING)


def test_senders_that_only_the_file_knows_are_wrong(tmp_path: Path, database_url: str) -> None:
    with at(database_url) as base:
        with base.connect() as connection:
            added(connection, "shop", 7, True, now())
            connection.commit()
            known = access.read(connection)
        access.publish(tmp_path, known)
        assert found(senders.known_senders, context(tmp_path, base)).state is State.OK
        assert found(senders.dsn, context(tmp_path, base)).state is State.OK
        broken = context(tmp_path, base, PUBLIC_URL="https://somebody:password@errors.example.com")
        assert is_wrong(found(senders.dsn, broken), "shop", "ERRHOUSE_PUBLIC_URL")
        access.publish(tmp_path, msgspec.structs.replace(known, projects={**known.projects, "f" * 32: 9}))
        assert is_wrong(found(senders.known_senders, context(tmp_path, base)), "ffffff…", "errhouse serve")
        access.publish(tmp_path, access.Access())
        assert is_wrong(found(senders.known_senders, context(tmp_path, base)), "refuse", "errhouse serve")


def test_a_clock_that_is_off_or_stands_still_is_wrong(tmp_path: Path, database_url: str) -> None:
    with at(database_url) as base:
        assert found(clock.clock, context(tmp_path, base)).state is State.OK
        for off in (-60, 60):
            shifted = context(tmp_path, base, clock=lambda by=off: now() + timedelta(seconds=by))
            assert is_wrong(found(clock.clock, shifted), "60 s", "NTP")
    still = context(tmp_path, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    assert is_wrong(found(clock.clock, still), "does not go", "NTP")
    segment = tmp_path / "spool" / "0" / f"{1:020d}.seg"
    segment.parent.mkdir(parents=True)
    segment.touch()
    os.utime(segment, (time.time() + 3600, time.time() + 3600))
    assert is_wrong(found(clock.clock, context(tmp_path)), "before what the spools hold", "NTP")


def test_a_spool_that_is_full_is_wrong(tmp_path: Path) -> None:
    async def fill() -> None:
        writer = SpoolWriter(tmp_path / "spool" / "0", MIB)
        with suppress(SpoolFull):
            while True:
                await writer.append(bytes(60_000))
        await writer.close()

    asyncio.run(fill())
    assert is_wrong(found(spool.room, context(tmp_path, SPOOL_MAX_BYTES=MIB)), "Spool 0 is at", "loader")
    later = context(tmp_path, SPOOL_MAX_BYTES=MIB, clock=lambda: now() + timedelta(seconds=120))
    assert is_wrong(found(loading.loader_lag, later), "events wait to be loaded", "errhouse drain")


def test_a_disk_that_is_slow_or_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spool").mkdir()
    assert found(spool.disk, context(tmp_path, sync=lambda _: None)).state is State.OK
    slow = context(tmp_path, sync=lambda _: time.sleep(0.15))
    assert is_wrong(found(spool.disk, slow), "to make bytes durable", "local disk", State.WARNING)
    monkeypatch.setattr(spool, "IN_MEMORY", {spool._kind(tmp_path)})
    assert is_wrong(found(spool.disk, context(tmp_path)), "in memory", "ERRHOUSE_DATA_DIR")
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_database_that_is_away_is_wrong(tmp_path: Path) -> None:
    with at("postgresql://somebody:pass-word@127.0.0.1:1/nowhere") as base:
        finding = found(database.database, context(tmp_path, base))
        assert is_wrong(finding, "cannot be reached", "ERRHOUSE_DATABASE_URL")
        assert "pass-word" not in finding.sentence
        assert found(schema.migrations, context(tmp_path, base)).state is State.SKIPPED


def test_old_tables_are_wrong_and_the_others_wait_for_them(tmp_path: Path, database_url: str) -> None:
    with at(database_url) as base:
        assert found(schema.migrations, context(tmp_path, base)).state is State.OK
    *later, first = migrate.known()
    migrate.downgrade(database_url, first)
    with at(database_url) as base:
        finding = found(schema.migrations, context(tmp_path, base))
        assert is_wrong(finding, f"{len(later)} migrations behind", "errhouse db upgrade")
        assert found(messages.rules, context(tmp_path, base)).state is State.SKIPPED
    postgres.run(database_url, "update public.errhouse_schema_version set version_num = 'ffff00000000'")
    with at(database_url) as base:
        assert is_wrong(found(schema.migrations, context(tmp_path, base)), "newer", "Start the newer errhouse")


def test_a_right_that_was_taken_away_is_wrong(tmp_path: Path, database_url: str) -> None:
    with login(database_url, "loader") as url:
        with at(url) as base:
            assert found(schema.grants, context(tmp_path, base)).state is State.OK
        postgres.run(database_url, "revoke insert on warehouse.fact_event from errhouse_loader")
        with at(url) as base:
            finding = found(schema.grants, context(tmp_path, base))
        assert is_wrong(finding, "insert on warehouse.fact_event", "errhouse db roles")


def test_a_partition_that_is_missing_is_wrong(tmp_path: Path, database_url: str) -> None:
    with loader(database_url) as (_, engine):
        Partitions(engine, 1).ensure_ahead(now().date(), 14)
    with at(database_url) as base:
        assert found(schema.partitions, context(tmp_path, base)).state is State.OK
    day = now().date() + timedelta(days=9)
    name = f"warehouse.fact_event_p{day:%Y_%m_%d}"
    postgres.run(database_url, f"alter table warehouse.fact_event detach partition {name}")
    with at(database_url) as base:
        assert is_wrong(found(schema.partitions, context(tmp_path, base)), f"{day}.", "errhouse db maintain")


def test_a_project_that_has_gone_silent_is_told(tmp_path: Path, database_url: str) -> None:
    today = now()
    with loader(database_url, Clock(today)) as (one, _), at(database_url) as base:
        for hour in range(60, 6, -1):
            moment = today - timedelta(hours=hour)
            one.load([sdk(event(timestamp=told(moment)), event(timestamp=told(moment)), at=moment)], origin="test")
        finding = found(projects.last_events, context(tmp_path, base))
        early = context(tmp_path, base, clock=lambda: today - timedelta(hours=5))
        assert found(projects.last_events, early).state is State.OK
        waiting = found(loading.rollups, context(tmp_path, base))
    assert is_wrong(finding, "42 (since", "integration", State.WARNING)
    assert is_wrong(waiting, "counts wait", "errhouse db maintain")


def test_what_was_set_aside_is_told_by_reason(tmp_path: Path, database_url: str) -> None:
    with loader(database_url, Clock(now())) as (one, _), at(database_url) as base:
        bad = msgspec.structs.replace(sdk(event(), at=now()), body=b"no envelope")
        one.load([bad, bad], origin="test")
        finding = found(loading.set_aside, context(tmp_path, base))
    assert is_wrong(finding, "1 bad_envelope", "errhouse set-aside list", State.WARNING)


def test_targets_without_their_secrets_or_with_an_open_breaker_are_wrong(tmp_path: Path, database_url: str) -> None:
    given = Settings(DATA_DIR=tmp_path)

    def looked(connection: Connection, moment: datetime) -> Any:
        return targets(given, connection, moment)

    with at(database_url) as base, base.connect() as connection:
        kept = Targets(given)
        assert found(messages.targets, context(tmp_path, base, targets=looked)).state is State.OK
        for name, url in (("chat", "env:NO_SUCH_URL"), ("ops", "https://ops.example/hook")):
            target = Target(name, "webhook", {"url": url, "secret": f"whsec_{'A' * 43}="}, False, MOST_PER_MINUTE)
            kept.keep(connection, target, now(), is_replaced=False)
        connection.commit()
        finding = found(messages.targets, context(tmp_path, base, targets=looked))
        assert is_wrong(finding, "NO_SUCH_URL is not set", "environment")
        assert "whsec_" not in finding.sentence
        kept_state = (
            "insert into warehouse.target_state (target, failure_count, open_until, attempted_at, error) "
            "values ('ops', 5, now() + interval '1 hour', now(), 'It answered 500.')"
        )
        postgres.run(database_url, kept_state)
        finding = found(messages.targets, context(tmp_path, base, targets=looked))
        assert is_wrong(finding, "5 times in a row", "errhouse target test ops")
        (tmp_path / "seal.key").unlink()
        assert is_wrong(found(messages.targets, context(tmp_path, base, targets=looked)), "no key file", "Add it again")


def test_scripts_that_would_be_refused_are_told(tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir(mode=0o755)
    (folder / "restart.sh").write_text("#!/bin/sh\n")
    given = Settings(DATA_DIR=tmp_path, SCRIPTS_DIR=folder)
    with at(database_url) as base:
        look = context(tmp_path, base, scripts=lambda connection, _: scripts(given, connection))
        assert is_wrong(found(messages.scripts, look), "restart.sh", "errhouse script list", State.WARNING)


def test_rules_that_cannot_be_evaluated_are_told(tmp_path: Path, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into warehouse.alert_rule (name, kind, matches, parameters, targets, group_by, cooldown_seconds, "
            "zone, is_enabled, starts_at, created_at, updated_at, error) values ('ours', 'sql', '{}', '{}', '{}', "
            "'rule', 0, 'UTC', true, now(), now(), now(), 'The query is none.')"
        )
    with at(database_url) as base:
        assert is_wrong(found(messages.rules, context(tmp_path, base)), "ours (The query is none)", "errhouse rule")


@pytest.mark.scenario("A-09")
@pytest.mark.parametrize(("late", "refused", "state"), [
    (0, 0, State.OK), (15, 10, State.WARNING), (49, 0, State.WARNING), (20, 30, State.WRONG), (50, 0, State.WRONG),
])  # fmt: skip
def test_late_and_refused_answers_to_webhooks_alarm_at_fifty(
    tmp_path: Path, late: int, refused: int, state: State
) -> None:
    assert found(answers.answers, context(tmp_path)).state is State.SKIPPED
    log = InboundLog(tmp_path, "0", lambda: now().timestamp())
    log.start()
    asked = [(Door.HOOK, 200, 0.1, 5), (Door.HOOK, 401, 0.1, 100), (Door.LEGACY, 200, 0.95, late)]
    asked += [(Door.HOOK, 503, 0.6, refused), (Door.STORE, 503, 2.0, 100)]  # SDKs are patient
    for door, status, seconds, count in asked:
        for _ in range(count):
            log.answered(door, "POST", "/", {}, "", status, "", seconds, Seen())
    log.close()
    assert answers_of_day(tmp_path, now()).webhook_late_count == late + refused
    finding = found(answers.answers, context(tmp_path))
    assert finding.state is state
    assert state is not State.WRONG or ("1,000" in finding.sentence and "disk" in finding.cure)


def test_what_nobody_has_started_is_told_without_making_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.cli import app

    monkeypatch.setenv("ERRHOUSE_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "1 wrong" in done.stdout
    assert not (tmp_path / "data").exists()
