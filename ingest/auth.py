"""
Who may send: the key of a DSN in its five places, and the signatures Sentry puts on webhooks.

Headers are mappings by lower-case name; a header that was sent twice is one value joined by a comma, or its first.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qs, unquote, urlsplit

from ingest.errors import NotAllowed, Reason
from ingest.identity import number

MAX_CLIENT_CHARS = 200

_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-f]{32}")
_SCHEME = re.compile(r"\s*sentry(?:\s+|$)", re.IGNORECASE)
_BASIC = re.compile(r"\s*basic\s+", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,\s]+")


def dsn_key(
    headers: Mapping[str, str], query_string: bytes | str, envelope_header_dsn: str | None = None
) -> tuple[str, str | None]:
    """
    Give the public key a request was sent with, and the name of the client that sent it.

    Looks in `X-Sentry-Auth`, `Authorization: Sentry`, `Authorization: Basic`, the query and the envelope's own DSN;
    the first that holds a key counts. A key's flags (`<key>.no-cache`) are cut off, `sentry_secret` is ignored.

    Raises: NotAllowed: MISSING_KEY; UNKNOWN_KEY for one that is not 32 hex digits.
    Source: relay-server/src/extractors/request_meta.rs 0.10.1.
    """
    header = headers.get("x-sentry-auth")
    if header is not None:
        told = _sentry_auth(header)
        if told.get("sentry_key"):
            return _key(told["sentry_key"]), _client(told.get("sentry_client"))
    header = headers.get("authorization")
    if header is not None:
        if _BASIC.match(header):
            key = _basic(header)
            if key:
                return _key(key), _client(None)
        elif _SCHEME.match(header):
            told = _sentry_auth(header)
            if told.get("sentry_key"):
                return _key(told["sentry_key"]), _client(told.get("sentry_client"))
    if query_string:
        query = _query(query_string)
        if query.get("sentry_key"):
            return _key(query["sentry_key"]), _client(query.get("sentry_client"))
    if envelope_header_dsn:
        key = _dsn_parts(envelope_header_dsn)[0]
        if key:
            return _key(key), None
    raise NotAllowed(Reason.MISSING_KEY, "no DSN key in X-Sentry-Auth, Authorization, the query or the envelope")


def require_same_project(envelope_header_dsn: str | None, project_id: int) -> None:
    """
    Let an envelope pass whose own DSN, if it has one, names the project of the URL.

    Raises: NotAllowed(WRONG_PROJECT).
    """
    if envelope_header_dsn is not None and _dsn_parts(envelope_header_dsn)[1] not in (None, project_id):
        raise NotAllowed(Reason.WRONG_PROJECT, "the envelope's DSN is of another project than the URL")


def sent_signature(headers: Mapping[str, str]) -> str | None:
    """
    Give the signature that belongs to the shape of a webhook.

    A service hook signs with `X-ServiceHook-Signature`, the Integration Platform with `Sentry-Hook-Signature`, and its
    UI components with `Sentry-App-Signature`.
    """
    if "x-servicehook-guid" in headers:
        return headers.get("x-servicehook-signature")
    if "sentry-hook-resource" in headers or "sentry-hook-signature" in headers:
        return headers.get("sentry-hook-signature")
    return headers.get("sentry-app-signature")


def verify_signature(raw: bytes, signature: str | None, secrets: Sequence[bytes]) -> None:
    """
    Let a body pass that was signed with one of the secrets: HMAC-SHA256 over the bytes as sent, 64 lower-case hex.

    Every secret is tried whatever the first ones gave, so the time tells nothing. An empty secret never signs.

    Raises: NotAllowed(BAD_SIGNATURE).
    """
    is_signature = signature is not None and _SIGNATURE.fullmatch(signature) is not None
    told = signature.encode("ascii") if signature is not None and is_signature else b"0" * 64
    is_signed = False
    for secret in secrets:
        ours = hmac.new(secret, raw, sha256).hexdigest().encode("ascii")
        is_signed |= hmac.compare_digest(ours, told) and bool(secret)
    if not (is_signed and is_signature):
        raise NotAllowed(Reason.BAD_SIGNATURE, "the signature is missing or is not of these bytes and any secret here")


def _key(text: str) -> str:
    key = text.partition(".")[0].lower()
    if _KEY.fullmatch(key) is None:
        raise NotAllowed(Reason.UNKNOWN_KEY, "a DSN key is 32 hex digits")
    return key


def _client(text: str | None) -> str | None:
    return text[:MAX_CLIENT_CHARS] if text else None


@lru_cache(maxsize=2048)
def _sentry_auth(header: str) -> Mapping[str, str]:
    """Read `Sentry sentry_key=…, sentry_client=…`, in any order, with or without the scheme, quotes and spaces."""
    scheme = _SCHEME.match(header)
    told: dict[str, str] = {}
    for part in _SEPARATOR.split(header[scheme.end() :] if scheme else header):
        name, _, value = part.partition("=")
        told.setdefault(name.strip().lower(), unquote(value.strip().strip("\"'")))
    return told


def _basic(header: str) -> str | None:
    encoded = header.split(None, 1)[1] if len(header.split(None, 1)) == 2 else ""
    try:
        plain = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return plain.partition(b":")[0].decode("latin-1").strip() or None


def _query(query_string: bytes | str) -> dict[str, str]:
    text = query_string.decode("latin-1") if isinstance(query_string, bytes) else query_string
    if "sentry_" not in text.lower() and "%" not in text:
        return {}
    try:
        pairs = parse_qs(text, max_num_fields=100)
    except ValueError:
        return {}
    return {name.lower(): values[0].strip().strip("\"'") for name, values in reversed(pairs.items())}


def _dsn_parts(dsn: str) -> tuple[str | None, int | None]:
    """Give the public key and the project of a DSN, each None where it has none."""
    try:
        parts = urlsplit(dsn.strip())
        return unquote(parts.username or "") or None, number(parts.path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return None, None
