"""
Scenario E-15: requests made from docs/openapi.json, right and wrong: no answer is a 5xx, and each is a documented one.

Who sends is now and then somebody with a right to: only such a request gets as far as its body.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from tests.proof.lines import report
from tests.support import postgres, warehouse
from tests.support.builders import auth, signed
from tests.support.server import ROOT, Server, errhouse, serving

SECRET = "0123456789abcdef" * 4
TIER = os.environ.get("ERRHOUSE_TEST_TIER", "1")
EXAMPLES = {"1": 30, "2": 300, "3": 2000}[TIER]
"""Requests of each kind, right and wrong, to each door."""
CHECKED = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
HEADERS = st.fixed_dictionaries({}, optional={"event_id": st.uuids().map(lambda each: each.hex), "sent_at": st.text()})
ITEM_TYPES = st.sampled_from(["event", "transaction", "session", "attachment", "", "no such type"])
SPOILT = "a request could not be answered", "looking into a body failed"


def envelope(header: dict[str, str], items: list[tuple[str, object]]) -> str:
    """Write an envelope as the SDKs do, without lengths."""
    lines = [header, *(line for kind, payload in items for line in ({"type": kind}, payload))]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def operations() -> Iterator[Any]:
    """Give what the document describes, whole."""
    for found in SCHEMA.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


PAYLOADS = st.dictionaries(st.text(max_size=20), st.none() | st.booleans() | st.integers() | st.text(), max_size=5)
ENVELOPES = st.builds(envelope, HEADERS, st.lists(st.tuples(ITEM_TYPES, PAYLOADS), max_size=3))
schemathesis.openapi.format("sentry-envelope", ENVELOPES)
schemathesis.serializer("application/x-sentry-envelope")(lambda _, value: str(value).encode("utf-8", "surrogatepass"))
SCHEMA = schemathesis.openapi.from_dict(json.loads((ROOT / "docs" / "openapi.json").read_text()))
OPERATIONS = {each.label: each for each in operations()}
Case = schemathesis.Case[Any]
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
KINDS = [
    pytest.param(label, mode, id=f"{label} {'right' if mode is RIGHT else 'wrong'}")
    for label, each in OPERATIONS.items()
    for mode in (RIGHT, WRONG)
    if mode is RIGHT or each.body or each.path_parameters  # else there is nothing in it to be wrong
]


class House(NamedTuple):
    """A service, what gives a right to send to it, and the statuses that were answered."""

    server: Server
    project_id: int
    key: str
    hook_key: str
    statuses: Counter[int]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, template_database: str) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("openapi") / "data"
    with (
        postgres.database(postgres_url, template_database) as url,
        serving(folder, url, ERRHOUSE_WEBHOOK_SECRETS=SECRET) as server,
    ):
        hook = errhouse("hook", "add", "plugin", "--json", data_dir=folder, database_url=url)
        made = House(server, *warehouse.first_project(url), json.loads(hook.stdout)["hook_key"], Counter())
        yield made
        warehouse.loaded(server)
        assert server.process.poll() is None
        spoilt = [line for line in server.log().splitlines() if any(words in line for words in SPOILT)]
        assert not spoilt, spoilt[:3]
        report(f"E-15 pass operations {len(OPERATIONS)} statuses {dict(sorted(made.statuses.items()))}")


def with_right(house: House, case: Case) -> dict[str, str]:
    """Let a request be sent by somebody who may; give the headers for that."""
    if "project_id" in case.path_parameters:
        case.path_parameters["project_id"] = house.project_id
        return auth(house.key)
    if "hook_key" in case.path_parameters:
        case.path_parameters["hook_key"] = house.hook_key
    return {}


@pytest.mark.timeout(900)
@pytest.mark.scenario("E-15")
@pytest.mark.parametrize(("label", "mode"), KINDS)
def test_requests_of_every_shape_are_answered_as_documented(house: House, label: str, mode: GenerationMode) -> None:
    operation, good = OPERATIONS[label], house.statuses[200]
    checked = CHECKED if label == "GET /readyz" else [not_a_server_error, *CHECKED]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=TIER == "1",
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), has_right=st.integers(0, 3).map(bool))
    def asked(case: Case, has_right: bool) -> None:
        headers = with_right(house, case) if has_right else {}
        request = requests.Request(**case.as_transport_kwargs(base_url=house.server.url)).prepare()
        if has_right and case.path == "/hooks/sentry":
            body = request.body or b""
            assert isinstance(body, str | bytes)
            headers = signed(body.encode() if isinstance(body, str) else body, SECRET)
        request.headers.update(headers)
        answer = session.send(request, timeout=10)
        house.statuses[answer.status_code] += 1
        case.validate_response(answer, checks=checked)

    with requests.Session() as session:
        session.trust_env = False
        asked()
    assert mode is WRONG or house.statuses[200] > good, "who has a right gets through"
