from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from models import access, projects
from models.engine import engine_for
from models.errors import ModelsError

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = engine_for(database_url, pool_size=4)
    yield made
    made.dispose()


def test_a_project_has_a_key_and_a_dsn(engine: Engine) -> None:
    with engine.begin() as connection:
        made = projects.added(connection, " shop ", None, True, NOW)
        assert projects.listed(connection) == [made]
        assert access.read(connection).projects == {made.public_key: made.project_id}
    assert (made.project_id, made.name, made.is_scrubbed) == (1, "shop", True)
    assert len(made.public_key or "") == 32
    dsn = projects.dsn("https://errors.example.com/sentry", made.public_key, made.project_id)
    assert dsn == f"https://{made.public_key}@errors.example.com/sentry/1"


def test_an_id_that_is_known_gets_the_name_and_keeps_its_key(engine: Engine) -> None:
    with engine.begin() as connection:
        first = projects.added(connection, "shop", 42, True, NOW)
        again = projects.added(connection, "store", 42, False, NOW + timedelta(days=1))
        assert again == first._replace(name="store", is_scrubbed=False)
        assert projects.listed(connection) == [again]


def test_a_project_of_which_only_webhooks_told_has_no_dsn_until_it_is_added(engine: Engine) -> None:
    with engine.begin() as connection:
        founded = "insert into warehouse.dim_project (project_id, slug, created_at) values (7, 'front', now())"
        connection.execute(text(founded))
        (listed,) = projects.listed(connection)
        assert listed == projects.Project(7, "front", None, True)
        assert projects.dsn("http://h", listed.public_key, 7) is None
        assert projects.added(connection, "front", 7, True, NOW).public_key


def test_an_id_of_our_own_is_the_lowest_that_is_free(engine: Engine) -> None:
    with engine.begin() as connection:
        projects.added(connection, "from Sentry", 4_507_000_000_000_000, True, NOW)
        projects.added(connection, "known", 2, True, NOW)
        assert [projects.added(connection, "ours", None, True, NOW).project_id for _ in range(2)] == [1, 3]


def test_projects_that_are_added_at_once_have_ids_of_their_own(engine: Engine) -> None:
    def add(number: int) -> int:
        with engine.begin() as connection:
            return projects.added(connection, f"shop {number}", None, True, NOW).project_id

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(add, range(12))) == list(range(1, 13))


@pytest.mark.parametrize("project_id", [0, -1, 2**63])
def test_an_id_that_cannot_be_one_is_refused(engine: Engine, project_id: int) -> None:
    with engine.connect() as connection, pytest.raises(ModelsError, match="A project id is a number from 1 to"):
        projects.added(connection, "shop", project_id, True, NOW)


@pytest.mark.parametrize("name", ["", "  "])
def test_a_name_is_needed(engine: Engine, name: str) -> None:
    with engine.connect() as connection:
        with pytest.raises(ModelsError, match="A project needs a name"):
            projects.added(connection, name, None, True, NOW)
        with pytest.raises(ModelsError, match="A hook needs a name"):
            projects.hook_added(connection, name, NOW)


def test_a_first_project_is_made_once_and_only_where_nobody_can_send(engine: Engine) -> None:
    with engine.begin() as connection:
        assert projects.ensure_one(connection, NOW)
        assert not projects.ensure_one(connection, NOW)
        assert [each.name for each in projects.listed(connection)] == ["default"]


def test_a_hook_s_key_is_strong_and_not_kept_and_can_be_taken_away(engine: Engine) -> None:
    with engine.begin() as connection:
        key = projects.hook_added(connection, "plugin", NOW)
        other = projects.hook_added(connection, "plugin", NOW)
        assert len(key) >= 128 / 6
        stored = connection.execute(text("select hook_hash from warehouse.hook")).scalars().all()
        assert sorted(stored) == sorted([access.hook_hash(key), access.hook_hash(other)])
        projects.hook_removed(connection, key)
        assert list(access.read(connection).hooks) == [access.hook_hash(other)]
