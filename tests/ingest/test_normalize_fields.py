"""Tags, names, user, request and surroundings: what Sentry allows in a field."""

import json
from datetime import UTC, datetime

import pytest

from ingest.normalize import normalize
from ingest.records import EventRecord, RawEvent, Source

RECEIVED_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def record(told=None, /, **data) -> EventRecord:
    told = {"source": Source.sdk, "project_id": 1, **(told or {})}
    return normalize(RawEvent(data=data, body=json.dumps(data).encode(), **told), RECEIVED_AT)


PROCESSED = {"source": Source.webhook_platform, "is_processed": True}


def test_tags_are_kept_as_sentry_keeps_them():
    pairs = [["a", 1], ["a", 2], ["sp ace", True], ["f", 1.5], ["n", "x\ny"], ["o", {}], ["", "x"], ["é", "x"], None]
    got = record(tags=pairs, server_name="web-1")
    assert got.tags == {"a": "1", "sp-ace": "True", "f": "1", "server_name": "web-1"}
    assert record(tags={"long": "x" * 300}).tags == {"long": "x" * 197 + "..."}
    assert record(tags={"release": "r", "user": "u", "a": " b "}).tags == {"a": "b"}
    assert record(tags=[{"key": "a", "value": "b"}]).tags == {}


def test_the_tag_environment_stands_for_the_field():
    got = record(tags={"environment": "prod"})
    assert (got.environment, got.tags) == ("prod", {})
    assert record(tags={"environment": "prod"}, environment="dev").environment == "dev"


def test_of_what_sentry_tells_no_tag_is_dropped():
    told = [["sentry:release", "r"], ["release", "other"], ["user", "id:7"], ["environment", "prod"], ["level", "info"]]
    got = record(PROCESSED, tags=told)
    assert got.tags == {"release": "r", "user": "id:7", "environment": "prod", "level": "info"}
    assert (got.release, got.environment, got.level, got.user_id) == ("r", "prod", "info", "7")
    keyed = [{"key": key, "value": value} for key, value in told]
    assert record(PROCESSED, tags=keyed).tags == got.tags


@pytest.mark.parametrize("release", ["a/b", "a\nb", ".", "..", "latest", "Latest", "x" * 201, {"version": "1"}, "\\"])
def test_release_names_sentry_rejects_are_none(release):
    got = record(release=release)
    assert (got.release, got.repairs[-1]) == (None, "release")


def test_release_dist_and_environment_are_trimmed():
    got = record(release=" shop@1.2 ", dist=" 7 ", environment=" prod ")
    assert (got.release, got.dist, got.environment) == ("shop@1.2", "7", "prod")
    assert record(release=7).release == "7"
    assert record(PROCESSED, release={"version": "shop@1"}).release == "shop@1"


@pytest.mark.parametrize("environment", ["a/b", "None", "a\nb", "x" * 65, 5, []])
def test_environments_sentry_rejects_are_none(environment):
    assert record(environment=environment).environment is None


@pytest.mark.parametrize("dist", ["a b", "é", "x" * 65, 5])
def test_dists_sentry_rejects_are_none(dist):
    assert record(dist=dist).dist is None


def test_a_long_java_logger_keeps_its_last_parts():
    name = "org.apache.catalina.core.ContainerBase.[Tomcat].[localhost].[/].[dispatcherServlet]"
    got = record(platform="java", logger=name).logger
    assert got == "*.ContainerBase.[Tomcat].[localhost].[/].[dispatcherServlet]"


def test_a_user_is_read_leniently():
    user = {"id": 7, "email": "bad", "username": 1.5, "ip_address": "nowhere", "geo": {"country_code": "DE"}}
    got = record(user=user)
    assert (got.user_id, got.user_email, got.user_username, got.user_ip) == ("7", "bad", "1", None)
    assert got.user_geo_country == "DE"


def test_whose_address_it_is():
    peer = {"peer": "203.0.113.7"}
    env = {"request": {"env": {"REMOTE_ADDR": "198.51.100.9"}}}
    assert record(peer, user={"ip_address": "{{auto}}"}).user_ip == "203.0.113.7"
    assert record(peer, user={"ip_address": "{{auto}}"}, **env).user_ip == "198.51.100.9"
    assert record(peer, **env).user_ip == "198.51.100.9"
    assert record(peer, platform="javascript").user_ip == "203.0.113.7"
    assert record(peer, platform="python").user_ip is None
    assert record({**peer, **PROCESSED}, platform="javascript").user_ip is None
    assert record({"peer": "unix:"}, platform="javascript").user_ip is None


def test_the_request_is_kept_without_its_query():
    got = record(request={"url": "https://x.example/a?b=c#d", "method": "post"})
    assert (got.url, got.method) == ("https://x.example/a", "POST")


@pytest.mark.parametrize("headers", [{"User-Agent": "UA"}, [["user-agent", "UA"]], {"user-agent": ["UA"]}])
def test_the_user_agent_speaks_where_contexts_are_silent(headers):
    told = json.loads(
        json.dumps(headers).replace(
            "UA",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
        )
    )
    got = record(request={"headers": told})
    assert (got.browser_name, got.browser_version) == ("Mobile Safari", "17.1")
    assert (got.os_name, got.os_version, got.device_family) == ("iOS", "17.1", "iPhone")
    got = record(request={"headers": told}, contexts={"os": {"name": "Ubuntu", "version": "24.04"}})
    assert (got.os_name, got.os_version, got.browser_name) == ("Ubuntu", "24.04", "Mobile Safari")


def test_what_a_raw_description_says_is_read():
    contexts = {
        "os": {"raw_description": "Microsoft Windows 10.0.16299"},
        "runtime": {"raw_description": ".NET Framework 4.8.4250.0"},
    }
    got = record(contexts=contexts)
    assert (got.os_name, got.os_version) == ("Windows", "10.0.16299")
    assert (got.runtime_name, got.runtime_version) == (".NET Framework", "4.8.4250.0")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"contexts": {"response": {"status_code": 503}}}, 503),
        ({"tags": {"http.status_code": "404"}}, 404),
        ({"tags": {"status_code": 500}}, 500),
        ({"contexts": {"response": {"status_code": 70000}}}, None),
        ({"contexts": {"response": {"status_code": "²"}}}, None),
        ({"contexts": {"response": {"status_code": True}}}, None),
        ({"contexts": {"response": {"status_code": 10**5000}}}, None),
    ],
)
def test_http_status(data, status):
    got = normalize(RawEvent(data, b"", Source.sdk, 1), RECEIVED_AT)
    assert got.http_status == status


def test_handled_is_the_first_that_is_told():
    values = [{"type": "A", "mechanism": {"type": "chained"}}, {"type": "B", "mechanism": {"handled": False}}]
    got = record(exception=values)
    assert (got.handled, got.mechanism) == (False, "chained")
    assert record(PROCESSED, tags=[["handled", "yes"], ["mechanism", "onerror"]]).handled is True


def test_a_fingerprint_keeps_what_can_be_text():
    assert record(fingerprint=["{{ default }}", 1, None, 2.5, True, {}]).fingerprint == (
        "{{ default }}",
        "1",
        "2",
        "True",
    )
    assert record(fingerprint="x").fingerprint is None


def test_a_sample_rate_is_above_nothing_and_at_most_one():
    assert record(contexts={"trace": {"sample_rate": 0.5}}).sample_rate == 0.5
    assert record(extra={"sample_rate": 1}).sample_rate == 1
    assert record(contexts={"trace": {"client_sample_rate": 0.25}}).sample_rate == 0.25
    assert record(extra={"sample_rate": 0}).sample_rate is None
    assert record(extra={"sample_rate": True}).sample_rate is None
