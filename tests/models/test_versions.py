"""Which PostgreSQL the tests run on is a thing to be shown, or a second one is tested in name only."""

import os

import psycopg

OLDEST = 15


def test_the_database_is_of_the_version_that_was_asked_for(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        version = connection.info.server_version // 10_000
    wanted = os.environ.get("ERRHOUSE_TEST_POSTGRES_VERSION")
    assert version == int(wanted) if wanted else version >= OLDEST
