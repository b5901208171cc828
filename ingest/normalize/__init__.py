"""
One raw event becomes one record, by the rules Sentry itself applies (Relay's store normalizer and Sentry's `save`).

Nothing here reads a clock, a file or the network, and nothing is random: the same event gives the same record. Only a
timestamp before 1970 is refused; every other oddity is repaired and its field named in `repairs`.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from ingest.normalize import culprit as places
from ingest.normalize import fields
from ingest.normalize.contexts import surroundings
from ingest.normalize.deployment import deployment
from ingest.normalize.fields import mapping, text, trimmed
from ingest.normalize.grouping import fingerprint, group
from ingest.normalize.message import message
from ingest.normalize.request import http_status, method, remote_addr, request, url, user_agent
from ingest.normalize.stack import Thrown, entries, frames, main_exception, other_frames, thrown
from ingest.normalize.tags import tags
from ingest.normalize.user import user
from ingest.normalize.window import occurred_at
from ingest.records import EventRecord, RawEvent, TimeQuality

TRANSACTION_CHARS = 200
SDK_CHARS = 128
MECHANISM_CHARS = 128
PLATFORM_CHARS = 64
SLUG_CHARS = 200
TYPE_CHARS = 32

_REPORTS = ("csp", "hpkp", "expectct", "expectstaple", "nel")
LEAST_SAMPLE_RATE = 1e-6  # what is told below is no rate anybody samples by, and one event must not ruin a sum
_REPAIRED_TIMES = frozenset({TimeQuality.too_old, TimeQuality.future})
_HANDLED = {"yes": True, "no": False, "true": True, "false": False}


def normalize(raw: RawEvent, received_at: datetime) -> EventRecord:
    """
    Make a record of an event.

    Takes:  an event whose text was cleaned and scrubbed; `received_at` is aware.
    Raises: MalformedPayload(BAD_TIMESTAMP).
    """
    data = raw.data
    repairs: list[str] = []
    happened_at, time_quality = occurred_at(raw, received_at)
    if time_quality in _REPAIRED_TIMES or (time_quality is TimeQuality.missing and data.get("timestamp") is not None):
        repairs.append("timestamp")

    own_tags = tags(data, is_processed=raw.is_processed)
    told_tags = own_tags if raw.is_processed else {}
    event_id = _event_id(raw, repairs)
    platform = _platform(raw, repairs)
    asked = request(data)
    contexts = mapping(data.get("contexts")) or mapping(data.get("sentry.interfaces.Contexts"))
    around = surroundings(contexts, user_agent(asked))
    who = user(raw, platform, remote_addr(asked), told_tags)

    values = entries(data, "exception", "sentry.interfaces.Exception")
    exceptions = thrown(data, values)
    main = main_exception(data, exceptions)
    thrown_frames = main if main is not None and main.raw_frames else _last_with_frames(exceptions)
    raw_frames = thrown_frames.raw_frames if thrown_frames is not None else other_frames(data)
    kept_frames = thrown_frames.frames if thrown_frames is not None else frames(raw_frames)

    said = message(data)
    kind = _type(raw, values)
    transaction = trimmed(data.get("transaction"), TRANSACTION_CHARS) or told_tags.get("transaction")
    page = url(asked)
    crash = places.crash_frame(raw_frames)
    top = places.top_frame(raw_frames, platform)
    metadata = mapping(data.get("metadata")) if raw.is_processed else {}
    title = (text(data.get("title"), places.TITLE_CHARS) if raw.is_processed else None) or places.title(
        kind, main, crash, said.formatted
    )
    culprit = _told_culprit(raw)
    if culprit is None:
        culprit = places.culprit(data, transaction, exceptions, top, page)
    location = (
        text(data["location"], places.CULPRIT_CHARS)
        if raw.is_processed and "location" in data
        else places.location(kind, crash, data)
    )
    parts = fingerprint(data)
    if parts is None and data.get("fingerprint"):
        repairs.append("fingerprint")
    deployed = deployment(raw, own_tags, repairs)
    sdk = mapping(data.get("sdk"))
    trace = mapping(contexts.get("trace"))
    issue_id = raw.issue_id
    return EventRecord(
        event_id=event_id,
        project_id=raw.project_id,
        occurred_at=happened_at,
        received_at=received_at,
        time_quality=time_quality,
        source=raw.source,
        type=kind,
        level=_level(raw, kind, told_tags, repairs),
        platform=platform,
        title=title,
        culprit=culprit,
        group=group(raw, parts=parts, exceptions=exceptions, frames=kept_frames, message=said, title=title),
        payload=raw.body,
        project_slug=text(raw.project_slug, SLUG_CHARS),
        project_name=text(raw.project_name, SLUG_CHARS),
        location=location,
        exception_type=main.type if main is not None else text(metadata.get("type"), 256),
        exception_value=main.value if main is not None else text(metadata.get("value"), 8192),
        mechanism=_mechanism(main, exceptions) or told_tags.get("mechanism"),
        message=said.formatted,
        logger=fields.logger(data.get("logger"), platform) or told_tags.get("logger"),
        transaction=transaction,
        release=deployed.release,
        dist=deployed.dist,
        environment=deployed.environment,
        handled=_handled(exceptions, told_tags),
        user_id=who.id,
        user_email=who.email,
        user_username=who.username,
        user_ip=who.ip,
        user_geo_country=who.geo_country,
        server_name=own_tags.get("server_name"),
        sdk_name=text(sdk.get("name"), SDK_CHARS),
        sdk_version=text(sdk.get("version"), SDK_CHARS),
        os_name=around.os,
        os_version=around.os_version,
        browser_name=around.browser,
        browser_version=around.browser_version,
        runtime_name=around.runtime,
        runtime_version=around.runtime_version,
        device_family=around.device,
        url=page,
        method=method(asked),
        http_status=http_status(contexts, own_tags),
        trace_id=fields.uuid(trace.get("trace_id")),
        issue_id=issue_id if issue_id is not None and 0 <= issue_id <= fields.BIGINT_MAX else None,
        issue_url=fields.web_url(raw.issue_url),
        fingerprint=parts,
        tags=own_tags,
        frames=kept_frames,
        top_frame=top,
        sample_rate=_sample_rate(data, trace),
        repairs=tuple(repairs),
    )


def _event_id(raw: RawEvent, repairs: list[str]) -> UUID:
    data = raw.data
    for told in (raw.event_id, data.get("event_id"), data.get("eventID") if raw.is_processed else None):
        event_id = fields.uuid(told)
        if event_id is not None:
            return event_id
    repairs.append("event_id")
    return fields.event_id_of_body(raw)


def _type(raw: RawEvent, values: list[Any]) -> str:
    told = raw.data.get("type")
    if raw.is_processed and (kind := text(told, TYPE_CHARS)):
        return kind
    if isinstance(told, str) and told in {"transaction", "feedback"}:
        return told
    if values:
        return "error"
    return next((name for name in _REPORTS if isinstance(raw.data.get(name), dict)), "default")


def _level(raw: RawEvent, kind: str, told_tags: dict[str, str], repairs: list[str]) -> str:
    told = raw.data.get("level")
    level = fields.level(told) or fields.level(told_tags.get("level"))
    if level is None and told is not None:
        repairs.append("level")
    return level or ("info" if kind == "transaction" else "error")


def _platform(raw: RawEvent, repairs: list[str]) -> str:
    told = raw.data.get("platform")
    if isinstance(told, str) and told in fields.PLATFORMS:
        return told
    if raw.is_processed and (platform := text(told, PLATFORM_CHARS)):
        return platform
    if told is not None:
        repairs.append("platform")
    return "other"


def _told_culprit(raw: RawEvent) -> str | None:
    told = raw.data.get("culprit") if raw.is_processed else None
    return text(told.strip(), places.CULPRIT_CHARS) or "" if isinstance(told, str) else None


def _mechanism(main: Thrown | None, exceptions: list[Thrown]) -> str | None:
    for exception in (main, *exceptions):
        if exception is not None and (mechanism := text(exception.mechanism.get("type"), MECHANISM_CHARS)):
            return mechanism
    return None


def _handled(exceptions: list[Thrown], told_tags: dict[str, str]) -> bool | None:
    for exception in exceptions:
        handled = exception.mechanism.get("handled")
        if isinstance(handled, bool):
            return handled
    return _HANDLED.get(told_tags.get("handled", ""))


def _last_with_frames(exceptions: list[Thrown]) -> Thrown | None:
    return next((exception for exception in reversed(exceptions) if exception.raw_frames), None)


def _sample_rate(data: dict[str, Any], trace: dict[str, Any]) -> float | None:
    for told in (
        trace.get("sample_rate"),
        mapping(data.get("extra")).get("sample_rate"),
        trace.get("client_sample_rate"),
    ):
        if isinstance(told, int | float) and not isinstance(told, bool) and LEAST_SAMPLE_RATE <= told <= 1:
            return float(told)
    return None
