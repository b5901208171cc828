"""What is set aside, with the bytes themselves."""

from sqlalchemy import Engine

from ingest import set_aside


def asides(engine: Engine) -> set[tuple[str, bytes]]:
    """Give reason and body of everything that is set aside."""
    found = set()
    with engine.connect() as connection:
        for key in set_aside.keys(connection, None):
            told = set_aside.payload_of(connection, key)
            assert told is not None
            reason, _, payload = told
            found.add((reason, payload.body))
    return found
