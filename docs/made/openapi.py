"""The doors of senders and the three pages of operators, as OpenAPI 3.1: what is asked, and every answer to it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ingest.errors import Reason
from ingest.health import Readiness

DESCRIPTION = (
    "What senders and operators reach by HTTP. A 2xx means that the bytes are on disk. Bodies may be encoded by gzip, "
    "deflate, br or zstd, and come in chunks. A door answers other methods with 405; a request with a head larger "
    "than 64 KiB is answered 431, and what is no HTTP 400, both without reading more. "
    "Made by docs/generate.py from docs/made/openapi.py: change it there, then run `make docs`."
)
MEANINGS = {
    400: "The body is no payload, or its encoding is broken; if its sender has shown a right, it is set aside.",
    401: "No key or signature, or a signature that does not fit the bytes.",
    403: "The key is of no project, or of another one.",
    404: "Nothing is at this path.",
    408: "The body took too long.",
    413: "The body is larger than may be, as sent or decoded.",
    415: "The content encoding is not known.",
    429: "The project was sent as much as it may be; come again later.",
    503: "There is no room for it now; come again later.",
}
LATER = {429, 503}
HOOK_STATUSES = (400, 401, 408, 413, 415, 503)
SDK_STATUSES = (400, 401, 403, 404, 408, 413, 415, 429, 503)
EVENT = {
    "type": "object",
    "properties": {
        "event_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "timestamp": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]},
        "level": {"enum": ["fatal", "error", "warning", "info", "debug"]},
        "message": {"type": "string"},
        "platform": {"type": "string"},
        "release": {"type": "string"},
        "environment": {"type": "string"},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def openapi() -> Iterator[str]:
    """Give the document, line by line."""
    yield from json.dumps(document(), indent=2, ensure_ascii=False).splitlines()


def document() -> dict[str, Any]:
    """Give the document."""
    (_, components) = msgspec.json.schema_components([Readiness], ref_template="#/components/schemas/{name}")
    detail = {"type": "string", "minLength": 1}
    schemas = {
        "Accepted": _shape({"accepted": {"type": "integer", "minimum": 0}}, ["accepted"]),
        "Stored": _shape({"id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}, []),
        "Refused": _shape(
            {"detail": detail, "reason": {"enum": [each.value for each in Reason]}}, ["detail", "reason"]
        ),
        "Astray": _shape({"detail": detail}, ["detail"]),
        "Live": _shape({"status": {"const": "ok"}}, ["status"]),
        "Event": EVENT,
        **components,
    }
    signatures = {
        "Signature": ("Sentry-Hook-Signature", "of webhooks of the Integration Platform"),
        "ServiceHookSignature": ("X-ServiceHook-Signature", "of service hooks, with X-ServiceHook-GUID"),
    }
    security = {
        name: {
            "type": "apiKey",
            "in": "header",
            "name": header,
            "description": f"HMAC-SHA256 of the body as sent, 64 lower-case hex digits, {whose}.",
        }
        for name, (header, whose) in signatures.items()
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "errhouse", "version": "1", "description": DESCRIPTION},
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                **security,
                "Key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Sentry-Auth",
                    "description": "`Sentry sentry_key=<32 hex digits>`; Authorization takes the same, or Basic.",
                },
                "KeyInQuery": {"type": "apiKey", "in": "query", "name": "sentry_key"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    hook = "200 is also said to what holds no error event: it is kept."
    by_hook_key = _parameter("hook_key", {"type": "string", "pattern": "^[A-Za-z0-9_-]{22,}$"})
    by_project = _parameter("project_id", {"type": "integer", "minimum": 1, "maximum": 2**63 - 1})
    json_body = _body({"application/json": {"type": "object"}})
    stored = _json("It is on disk; without an `id` where there is no error event in it.", "Stored")
    metrics = {"description": "In Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    paths = {
        "/hooks/sentry": {
            "post": {
                "summary": f"A webhook of the Integration Platform, or a service hook. {hook}",
                "security": [{"Signature": []}, {"ServiceHookSignature": []}],
                "requestBody": json_body,
                "responses": _answers(_json("It is on disk.", "Accepted"), HOOK_STATUSES),
            }
        },
        "/hooks/sentry/{hook_key}": {
            "parameters": [by_hook_key],
            "post": {
                "summary": f"A webhook of the legacy plugin, by the key in its address. {hook}",
                "requestBody": json_body,
                "responses": _answers(_json("It is on disk.", "Accepted"), (*HOOK_STATUSES, 404)),
            },
        },
        "/healthz": {"get": {"summary": "The process lives.", "responses": {"200": _json("It does.", "Live")}}},
        "/readyz": {
            "get": {
                "summary": "Events are accepted, and loaded in time.",
                "responses": {
                    "200": _json("They are.", "Readiness"),
                    "503": _json("They are not; `reasons` says why.", "Readiness"),
                },
            }
        },
        "/metrics": {"get": {"summary": "The metrics of every process.", "responses": {"200": metrics}}},
    }
    bodies = {
        "envelope": _body({"application/x-sentry-envelope": {"type": "string", "format": "sentry-envelope"}}),
        "store": _body({"application/json": {"$ref": "#/components/schemas/Event"}}),
    }
    for door, body in bodies.items():
        paths[f"/api/{{project_id}}/{door}/"] = {
            "parameters": [by_project],
            "post": {
                "summary": f"What an SDK sends, as {'an envelope' if door == 'envelope' else 'one event'}.",
                "security": [{"Key": []}, {"KeyInQuery": []}],
                "requestBody": body,
                "responses": _answers(stored, SDK_STATUSES),
            },
            "options": {
                "summary": "What a browser asks before.",
                "responses": {"200": {"description": "It may send."}, "404": _refusal(404)},
            },
        }
    return dict(sorted(paths.items()))


def _shape(properties: dict[str, Any], required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body(schemas: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {media: {"schema": schema} for media, schema in schemas.items()}}


def _json(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _refusal(status: int) -> dict[str, Any]:
    told = _json(MEANINGS[status], "Astray" if status == 404 else "Refused")
    if status in LATER:
        told["headers"] = {"Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
    return told


def _answers(good: dict[str, Any], refusals: Sequence[int]) -> dict[str, Any]:
    return {"200": good, **{str(status): _refusal(status) for status in sorted(refusals)}}
