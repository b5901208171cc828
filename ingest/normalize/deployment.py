"""Which build ran where: release, dist, environment."""

from typing import Any, NamedTuple

from ingest.normalize import fields
from ingest.normalize.fields import lenient, trimmed
from ingest.records import RawEvent

READ_CHARS = 512


class Deployment(NamedTuple):
    """Names that passed Sentry's rules."""

    release: str | None
    dist: str | None
    environment: str | None


def deployment(raw: RawEvent, own_tags: dict[str, str], repairs: list[str]) -> Deployment:
    """
    Read the three names; what Sentry would reject is None and noted in `repairs`.

    The tag "environment" of an SDK stands for the field and is taken out of `own_tags`. What Sentry has processed may
    tell all three as tags alone, and they stay tags.
    """
    data = raw.data
    if raw.is_processed:
        told = data.get("release")
        if isinstance(told, dict):  # the REST API tells the whole release
            told = told.get("version")
        return Deployment(
            trimmed(told, fields.RELEASE_CHARS) or own_tags.get("release"),
            trimmed(data.get("dist"), fields.DIST_CHARS) or own_tags.get("dist"),
            trimmed(data.get("environment"), fields.ENVIRONMENT_CHARS) or own_tags.get("environment"),
        )
    tag = own_tags.pop("environment", None)
    release = _checked("release", lenient(data.get("release")), data, repairs)
    environment = _checked("environment", data.get("environment"), data, repairs)
    dist = fields.dist(data.get("dist"))
    if dist is None and data.get("dist"):
        repairs.append("dist")
    return Deployment(release, dist, environment or (fields.environment(tag) if tag else None))


def _checked(key: str, told: object, data: dict[str, Any], repairs: list[str]) -> str | None:
    check = fields.release if key == "release" else fields.environment
    name = check(told) if isinstance(told, str) and len(told) <= READ_CHARS else None
    if name is None and data.get(key):
        repairs.append(key)
    return name
