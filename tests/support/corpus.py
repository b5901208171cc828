"""The corpus of real payloads, as files that are loaded."""

from ingest.records import Door, Payload
from tests.support.loading import NOON, PROJECT, us
from tests.support.parcels import CORPUS


def corpus() -> list[Payload]:
    """Give the corpus as payloads; received when the first of them was sent, as a file is loaded."""
    found = []
    for path in sorted(CORPUS.rglob("*.json")):
        folder = path.relative_to(CORPUS).parts
        if path.name.endswith((".headers.json", ".request.json")) or folder[0] not in {
            "event_sdk", "webhook_platform", "webhook_legacy", "service_hook", "api_event", "malformed",
        }:  # fmt: skip
            continue
        headers = {"sentry-hook-resource": folder[1]} if folder[0] == "webhook_platform" else {}
        found.append(Payload(us(NOON), Door.FILE, path.read_bytes(), PROJECT, headers))
    envelopes = sorted(CORPUS.rglob("*.envelope"))
    found += [Payload(us(NOON), Door.ENVELOPE, path.read_bytes(), PROJECT, {}) for path in envelopes]
    assert len(found) > 250
    return found
