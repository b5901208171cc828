from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from ingest.records import EventRecord, Frame, Source, TimeQuality
from ingest.rows import BATCH_COLUMNS, FACT_COLUMNS, LEVELS, Row, row
from models import DIMENSIONS, DimGroup, FactEvent
from tests.support.loading import NOON, PROJECT, record, told

BARE = EventRecord(
    event_id=UUID(int=1),
    project_id=PROJECT,
    occurred_at=NOON,
    received_at=NOON,
    time_quality=TimeQuality.exact,
    source=Source.sdk,
    type="default",
    level="error",
    platform="other",
    title="<unlabeled event>",
    culprit="",
    group="g",
    payload=b"{}",
)


def changed(**values: object) -> EventRecord:
    return msgspec.structs.replace(BARE, **values)


def values(made: Row) -> dict[str, object]:
    return dict(zip((name for name, _ in BATCH_COLUMNS), made.values, strict=True))


def test_the_columns_are_those_of_the_fact_but_the_one_the_server_fills() -> None:
    columns = [column.name for column in FactEvent.__table__.columns]
    assert sorted([*(name for name, _ in FACT_COLUMNS), "loaded_at"]) == sorted(columns)
    assert {name for name, _ in BATCH_COLUMNS[len(FACT_COLUMNS) :]} == {"codec", "body", "issue_id"}


def test_every_key_of_the_fact_points_to_a_row_that_comes_with_it() -> None:
    made = row(record(), PROJECT, None)
    keys = {name: value for name, value in values(made).items() if name.endswith("_key") and value is not None}
    pointed = {table.removeprefix("dim_") + "_key": dimension[1] for table, dimension in made.dimensions}
    pointed["group_key"] = made.group[1]
    assert keys == pointed
    assert len(keys) == 11
    assert {dimension[0] for _, dimension in made.dimensions} == {made.group[0]} == {PROJECT}


def test_a_dimension_has_the_attributes_its_table_has() -> None:
    made = row(record(), PROJECT, None)
    attributes = {dimension.__tablename__: dimension.ATTRIBUTES for dimension in DIMENSIONS}  # type: ignore[attr-defined]
    assert [table for table, told in made.dimensions if len(told) != 2 + len(attributes[table])] == []
    assert len(made.group) == len([column for column in DimGroup.__table__.columns if column.computed is None])


def test_what_was_not_told_points_to_nothing() -> None:
    made = row(BARE, PROJECT, None)
    pointing = {name for name, value in values(made).items() if name.endswith("_key") and value is not None}
    assert pointing == {"group_key", "client_key"}
    assert (values(made)["tags"], values(made)["sample_weight"]) == (None, 1.0)


def test_the_same_description_has_the_same_key_and_another_project_another() -> None:
    one, same, other = row(record(), 1, None), row(record(), 1, None), row(record(), 2, None)
    assert one.dimensions == same.dimensions
    assert one.group == same.group
    assert not {d[1] for _, d in one.dimensions} & {d[1] for _, d in other.dimensions}
    assert one.group[1] != other.group[1]


def test_none_and_empty_are_two_descriptions() -> None:
    described = {row(changed(release="1", dist=dist), PROJECT, None).dimensions for dist in (None, "", "2")}
    assert len(described) == 3


def test_a_payload_is_compressed_where_it_is_kept() -> None:
    kept = values(row(changed(payload=b'{"a":1}'), PROJECT, lambda data: (3, data[::-1])))
    assert (kept["codec"], kept["body"]) == (3, b'{"a":1}'[::-1])
    gone = values(row(BARE, PROJECT, None))
    assert (gone["codec"], gone["body"]) == (None, None)


@pytest.mark.parametrize(("rate", "weight"), [(None, 1.0), (0.25, 4.0), (1.0, 1.0), (0.0, 1.0)])
def test_a_sampled_event_stands_for_as_many_as_were_left_out(rate: float | None, weight: float) -> None:
    assert values(row(changed(sample_rate=rate), PROJECT, None))["sample_weight"] == weight


def test_levels_sort_by_weight() -> None:
    numbers = [values(row(changed(level=level), PROJECT, None))["level"] for level in LEVELS]
    assert numbers == sorted(numbers)  # type: ignore[type-var]
    assert list(LEVELS) == ["debug", "info", "warning", "error", "fatal"]


def test_only_a_title_that_the_view_cannot_put_together_is_stored() -> None:
    def title(**told: object) -> object:
        return values(row(changed(**told), PROJECT, None))["title"]

    assert title() is None
    assert title(exception_type="E", exception_value="v", title="E: v") is None
    assert title(exception_type="E", title="E") is None
    assert title(message="m", title="m") is None
    assert title(exception_type="E", exception_value="v", title="in Sentry's words") == "in Sentry's words"
    assert title(message="m", title="<unlabeled event>") == "<unlabeled event>"


def test_tags_are_json_with_their_keys_in_order() -> None:
    assert values(row(changed(tags={"b": "é", "a": '"'}), PROJECT, None))["tags"] == '{"a":"\\"","b":"é"}'


def test_a_stack_is_kept_once_and_says_no_more_than_was_told() -> None:
    frames = (Frame("f", "m"), Frame("g", in_app=True, lineno=3))
    made = dict(row(changed(frames=frames, top_frame="g"), PROJECT, None).dimensions)["dim_stack"]
    assert msgspec.json.decode(made[2]) == [
        {"function": "f", "module": "m"},
        {"function": "g", "in_app": True, "lineno": 3},
    ]
    assert made == dict(row(changed(frames=frames, top_frame="g"), PROJECT, None).dimensions)["dim_stack"]


def test_a_doubtful_time_is_marked_for_the_search_for_twins() -> None:
    assert [row(changed(time_quality=quality), PROJECT, None).is_odd_time for quality in TimeQuality] == [
        quality is not TimeQuality.exact for quality in TimeQuality
    ]


def test_identity_and_time_are_found_in_the_row() -> None:
    moment = datetime(2026, 11, 24, 1, 2, 3, 456, tzinfo=UTC)
    made = row(record(event_id="b" * 32, timestamp=told(moment)), PROJECT, None)
    assert made.identity == (PROJECT, UUID("b" * 32))
    assert made.occurred_at == moment


def test_a_fingerprint_becomes_a_list_of_the_group() -> None:
    assert row(changed(fingerprint=("a", "b")), PROJECT, None).group[-2] == ["a", "b"]
    assert row(BARE, PROJECT, None).group[-2] is None
