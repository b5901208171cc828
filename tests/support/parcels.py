"""The corpus as requests: what is sent where, and which row, or which reason without a row, must come of it."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.builders import auth, signed

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
SDK_PROJECT = 42  # the project of the captured requests and of the DSNs inside envelopes
CAPTURED_KEY = "a" * 32
TOLD = "told"  # the id of the row is the one in the answer


class Senders(NamedTuple):
    """What senders were given: the webhook secret, the legacy hook's path, the key of `SDK_PROJECT`."""

    secret: str
    hook_path: str
    key: str


class Parcel(NamedTuple):
    """
    One request.

    `event_id` of the row that must be there, `TOLD` for the one in the answer; None: no row, but `reason` set aside, or
    the change of an issue.
    `project` is its id, or its slug where the sender told no id.
    """

    name: str
    path: str
    headers: dict[str, str]
    body: bytes
    project: int | str | None = None
    event_id: str | None = None
    reason: str | None = None
    status: int = 200
    is_chunked: bool = False
    is_change: bool = False


# What no lenient reader can make an event of, and what is said of it; everything else in malformed/ becomes a row.
HOPELESS = {
    "array_root": "not_an_object",
    "bad_event_id_short": "bad_event_id",
    "empty": "empty_body",
    "not_json": "not_json",
    "null_root": "not_an_object",
    "truncated": "not_json",
    "whitespace": "empty_body",
}
HOPELESS_ENVELOPES = {"bad_header": "bad_envelope", "crlf": "bad_envelope", "length_too_short": "bad_envelope"}
NO_TIME = {"ts_negative"}  # JSON, but of no time that was: it is accepted, and set aside when it is read
EMPTY_ENVELOPES = {
    "client_report",
    "empty_headers",
    "header_only",
    "sentry-node-10.78.0-001",
    "sentry-node-10.78.0-003",
}


def corpus(to: Senders) -> list[Parcel]:
    """Return every payload of the corpus that is sent by HTTP."""
    return [*_webhooks(to), *_events(to), *_malformed(to), *_envelopes(to), *_captures(to), *_no_errors(to)]


def other_forms(to: Senders) -> list[Parcel]:
    """Return the same events as `corpus` in forms that it does not hold them in."""
    parcels: list[Parcel] = []
    for path in _files("event_sdk/*/*.json"):
        event = json.loads(path.read_bytes())
        if event_id := event.get("event_id"):
            body = enveloped(json.dumps(event).encode(), event_id)
            parcels.append(_sdk(to, f"enveloped {path.name}", "envelope", body, event_id=event_id))
            zipped = gzip.compress(json.dumps(event, indent=1).encode())
            sdk = _sdk(to, f"indented {path.name}", "store", zipped, event_id=event_id)
            parcels.append(sdk._replace(headers={**sdk.headers, "Content-Encoding": "gzip"}))
    for path in _files("webhook_platform/error/*.json"):
        event = json.loads(path.read_bytes())["data"]["error"]
        plugin = {"project": "front-end", "project_slug": "front-end", "event": event}
        parcels += [
            _signed(
                to, f"as alert {path.name}", "event_alert", {"data": {"event": event}, "action": "triggered"}, event
            ),
            _legacy(to, f"as plugin {path.name}", json.dumps(plugin).encode(), event["project"], event["event_id"]),
        ]
    for path in _files("webhook_platform/event_alert/*.json"):
        event = json.loads(path.read_bytes())["data"]["event"]
        parcels.append(
            _signed(to, f"as error {path.name}", "error", {"data": {"error": event}, "action": "created"}, event)
        )
    return parcels


def enveloped(item: bytes, event_id: str | None = None, kind: str = "event") -> bytes:
    """Put bytes into an envelope as they are."""
    header = json.dumps({"event_id": event_id} if event_id else {}).encode()
    return header + b'\n{"type":"%s","length":%d}\n%s\n' % (kind.encode(), len(item), item)


def _files(pattern: str) -> list[Path]:
    found = [path for path in sorted(CORPUS.glob(pattern)) if not path.name.endswith(".headers.json")]
    assert found, pattern
    return found


def _webhooks(to: Senders) -> Iterator[Parcel]:
    for resource in ("error", "event_alert", "issue"):
        for path in _files(f"webhook_platform/{resource}/*.json"):
            data = json.loads(path.read_bytes())["data"]
            event = data.get("error") or data.get("event")
            yield _signed(to, f"{resource} {path.name}", resource, path.read_bytes(), event)
    for path in _files("service_hook/*.json"):
        sent = json.loads(path.with_suffix(".headers.json").read_bytes())
        headers = {name: value for name, value in sent.items() if not name.startswith("_")}
        headers["X-ServiceHook-Signature"] = signed(path.read_bytes(), to.secret)["Sentry-Hook-Signature"]
        event = json.loads(path.read_bytes())["event"]
        yield Parcel(
            f"service_hook {path.name}",
            "/hooks/sentry",
            headers,
            path.read_bytes(),
            int(event["projectID"]),
            event["eventID"],
        )
    for path in _files("webhook_legacy/*.json"):
        body = json.loads(path.read_bytes())
        event = body["event"]
        project = event.get("project") or body["project_slug"]
        yield _legacy(to, f"legacy {path.name}", path.read_bytes(), project, event.get("event_id") or event["id"])


def _events(to: Senders) -> Iterator[Parcel]:
    for path in _files("event_sdk/*/*.json"):
        told = json.loads(path.read_bytes()).get("event_id")
        yield _sdk(to, f"store {path.name}", "store", path.read_bytes(), event_id=told or TOLD)


def _malformed(to: Senders) -> Iterator[Parcel]:
    for path in _files("malformed/*.*"):
        body, reason = path.read_bytes(), HOPELESS.get(path.stem)
        if path.stem in NO_TIME:
            bodies = {"store": body, "envelope": enveloped(body)}
            for door, sent in bodies.items():
                parcel = _sdk(to, f"{door} {path.name}", door, sent)
                yield parcel._replace(event_id=None, reason="bad_timestamp")
            continue
        yield _sdk(to, f"malformed {path.name}", "store", body, reason=reason)
        # an item that is empty, or null, or a list is JSON or not; that it is no event the loader finds
        wrapped = "not_json" if reason == "empty_body" else reason
        is_seen = wrapped in {"not_json", "bad_event_id"}
        parcel = _sdk(to, f"wrapped {path.name}", "envelope", enveloped(body), reason=wrapped)
        yield parcel if is_seen or not wrapped else parcel._replace(status=200)


def _envelopes(to: Senders) -> Iterator[Parcel]:
    for path in _files("malformed/envelope/*") + _files("envelope/*.envelope"):
        reason = HOPELESS_ENVELOPES.get(path.stem)
        parcel = _sdk(to, f"envelope {path.name}", "envelope", path.read_bytes(), reason=reason)
        is_empty = path.stem in EMPTY_ENVELOPES
        yield parcel._replace(event_id=None, reason="no_event") if is_empty else parcel
    for path in _files("envelope/*.json"):
        yield _sdk(to, f"envelope {path.name}", "envelope", _lines(json.loads(path.read_bytes())))


def _captures(to: Senders) -> Iterator[Parcel]:
    for path in _files("http_capture/*/*.request.json"):
        said = json.loads(path.read_bytes().replace(CAPTURED_KEY.encode(), to.key.encode()))
        headers = {name.lower(): value for name, value in said["headers"]}
        is_chunked = headers.pop("transfer-encoding", "") == "chunked"
        for name in ("host", "connection", "content-length"):
            headers.pop(name, None)
        body = path.with_name(path.name.replace("request.json", "body.bin")).read_bytes()
        name = f"{path.parent.name}-{path.name[:3]}"
        parcel = Parcel(f"capture {name}", said["path"], headers, body, SDK_PROJECT, TOLD, is_chunked=is_chunked)
        yield parcel._replace(event_id=None, reason="no_event") if name in EMPTY_ENVELOPES else parcel


def _no_errors(to: Senders) -> Iterator[Parcel]:
    for path in _files("transaction/*.json"):
        told = json.loads(path.read_bytes())
        is_list = isinstance(told, list)
        body = _lines(told) if is_list else enveloped(json.dumps(told).encode(), kind="transaction")
        parcel = _sdk(to, f"transaction {path.name}", "envelope", body)
        yield parcel._replace(event_id=None, reason="no_event")
    for path in _files("security_report/*.json"):
        body = enveloped(path.read_bytes(), kind="raw_security")
        yield _sdk(to, f"security {path.name}", "envelope", body)._replace(event_id=None, reason="no_event")


def _lines(envelope: list[dict[str, Any]]) -> bytes:
    """Write an envelope that was kept as a JSON list; the lengths in it were of other bytes."""
    for header in envelope[1::2]:
        header.pop("length", None)
    return b"\n".join(json.dumps(line).encode() for line in envelope)


def _sdk(to: Senders, name: str, door: str, body: bytes, *, event_id: str = TOLD, reason: str | None = None) -> Parcel:
    path = f"/api/{SDK_PROJECT}/{door}/"
    if reason:
        return Parcel(name, path, auth(to.key), body, SDK_PROJECT, None, reason, 400)
    return Parcel(name, path, auth(to.key), body, SDK_PROJECT, event_id)


def _signed(to: Senders, name: str, resource: str, body: Any, event: dict[str, Any] | None) -> Parcel:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = signed(data, to.secret, resource)
    if event is None:
        return Parcel(name, "/hooks/sentry", headers, data, is_change=True)
    return Parcel(name, "/hooks/sentry", headers, data, event["project"], event["event_id"])


def _legacy(to: Senders, name: str, body: bytes, project: int | str, event_id: str) -> Parcel:
    return Parcel(name, to.hook_path, {"Content-Type": "application/json"}, body, project, event_id)
