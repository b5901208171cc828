"""The secret by which webhooks are signed, and whether the receiver goes by it."""

import hmac
import os
import stat
from hashlib import sha256

from ingest.doctor.asking import ask, is_loopback, parts_of
from ingest.doctor.finding import Context, Finding, Skip, ok, warning, worst, wrong
from ingest.doctor.processes import is_receiving
from ingest.receive import PROBE
from ingest.samples import own_url
from models.access import SECRET_FILE
from models.settings import Settings

LEAST_CHARS = 16
USUAL_CHARS = 32
EXAMPLES = ("secret", "changeme", "change-me", "example", "client-secret", "client_secret", "your-", "test", "password")
COPY = "Copy the Client Secret of the integration from Sentry into ERRHOUSE_WEBHOOK_SECRETS, and start errhouse again."


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Give the secrets as a receiver takes them, without making one. Raises Skip when there is none yet."""
    if settings.WEBHOOK_SECRETS:
        return tuple(each.get_secret_value() for each in settings.WEBHOOK_SECRETS)
    try:
        return ((settings.DATA_DIR / SECRET_FILE).read_text().strip(),)
    except FileNotFoundError:
        raise Skip("There is no webhook secret yet; `errhouse serve` makes one when it starts.") from None


def secret(context: Context) -> Finding:
    """See that the webhook secret is there, hard to guess, and nobody else's to read."""
    settings = context.settings
    found = [_one(each) for each in secrets_of(settings)]
    path = settings.DATA_DIR / SECRET_FILE
    if not settings.WEBHOOK_SECRETS:
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            found.append(wrong(f"Others can read {path}.", f"chmod 600 {path}, then have a new secret made."))
        elif status.st_uid != os.geteuid():
            found.append(warning(f"{path} belongs to user {status.st_uid}.", "Let it be the user's who runs errhouse."))
    return worst(found)


def signature(context: Context) -> Finding:
    """See that the receiver takes what is signed with the secret, and nothing else; the sample is not kept."""
    if not is_receiving(context):
        raise Skip("No receiver runs here.")
    urls = [own_url(context.settings)]
    public = context.settings.public_url
    is_elsewhere = public != urls[0] and not is_loopback(parts_of(public).hostname or "")
    if is_elsewhere and ask(public, "/healthz").status:  # else the check of the address says so
        urls.append(public)
    return worst([_tried(url, secret_) for secret_ in secrets_of(context.settings) for url in urls])


def _tried(url: str, secret_: str) -> Finding:
    body = b'{"action":"created","data":{},"actor":{"type":"application","name":"errhouse doctor"}}'
    good = hmac.new(secret_.encode(), body, sha256).hexdigest()
    bad = hmac.new(b"not " + secret_.encode(), body, sha256).hexdigest()
    taken, refused = _post(url, body, good), _post(url, body, bad)
    if (taken, refused) == (200, 401):
        return ok(f"A sample that is signed is taken at {url}, and one that is not is refused.")
    if 0 in {taken, refused}:
        return wrong(
            f"The receiver at {url} does not answer.", "Look at what `errhouse serve` logs, and at the proxy if any."
        )
    if refused != 401:
        return wrong(
            f"{url} answers {refused} to a wrong signature, not 401.",
            "Something other than this errhouse answers there; look at the proxy, ERRHOUSE_HOST and ERRHOUSE_PORT.",
        )
    if taken == 401:
        return wrong(
            f"The receiver at {url} refuses what is signed with the secret that is set here: it runs with another, or "
            "a proxy changes bodies.",
            "Start `errhouse serve` again with the same ERRHOUSE_WEBHOOK_SECRETS as here, that of the integration in "
            "Sentry; let no proxy decompress or rewrite bodies.",
        )
    return wrong(f"{url} answers {taken} to a sample that is signed.", "Look at what `errhouse serve` logs.")


def _post(url: str, body: bytes, signature_: str) -> int:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "errhouse doctor",
        "Sentry-Hook-Resource": "installation",
        "Sentry-Hook-Signature": signature_,
        PROBE: "1",
    }
    return ask(url, "/hooks/sentry", "POST", body, headers).status


def _one(value: str) -> Finding:
    if not value:
        return wrong("The webhook secret is empty, so anyone could sign.", COPY)
    if value[0] in "\"'" or value[-1] in "\"'":
        return wrong("The webhook secret stands in quotes, which would be part of it.", "Write it without quotes.")
    if len(value) < LEAST_CHARS or value.lower().startswith(EXAMPLES) or len(set(value)) < 4:
        return wrong("The webhook secret is short, or an example: it can be guessed.", COPY)
    if len(value) < USUAL_CHARS:
        return warning("The webhook secret is shorter than those Sentry gives.", COPY)
    return ok("The webhook secret is set, and long enough.")
