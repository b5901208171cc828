"""The way from the sender to us: the address that senders are told, and its certificate."""

import socket
import ssl
from datetime import timedelta

from ingest.doctor.asking import SECONDS, ask, is_loopback, is_private, parts_of, port_of
from ingest.doctor.finding import Context, Finding, Skip, ok, warning, wrong
from ingest.doctor.processes import is_receiving
from ingest.samples import own_url

FEW_DAYS = 14
HEALTHY = b'"ok"'
SET_IT = "Set ERRHOUSE_PUBLIC_URL to the address under which Sentry reaches this service, such as https://errors.example.com."


def address(context: Context) -> Finding:
    """See that the address that senders are told leads here, and from elsewhere too."""
    url = context.settings.public_url
    host = parts_of(url).hostname or ""
    is_ours = url == own_url(context.settings)
    if (is_ours or is_loopback(host)) and not is_receiving(context):
        raise Skip(f"No receiver runs here, so nothing answers at {url}.")
    said = ask(url, "/healthz")
    if not said.status:
        return wrong(
            f"{url} cannot be reached from here ({said.why}).",
            "Look at the name, the proxy and the firewall in front of errhouse, or set ERRHOUSE_PUBLIC_URL to where "
            "it is reached.",
        )
    if 300 <= said.status < 400:
        return wrong(
            f"{url} redirects to {said.location or 'elsewhere'}, and Sentry does not follow.",
            "Set ERRHOUSE_PUBLIC_URL, and the addresses in Sentry, to where it redirects to.",
        )
    if said.status != 200 or HEALTHY not in said.body:
        return wrong(
            f"{url}/healthz answers {said.status}, and not as errhouse does.",
            "Let the proxy at that address hand every path on to errhouse.",
        )
    if is_loopback(host):
        return warning(f"{url} answers, but only this machine reaches it: Sentry cannot.", SET_IT)
    if is_private(host):
        return ok(f"{url} answers; it is of a network of your own, where sentry.io does not reach it.")
    return ok(f"{url} answers.")


def tls(context: Context) -> Finding:
    """See that the certificate of that address is good, for its name and for a while."""
    url = context.settings.public_url
    parts = parts_of(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        if is_loopback(host):
            raise Skip(f"{url} is not https, and does not leave this machine.")
        return warning(
            f"{url} is not https: keys and events cross the network for all to read.",
            "Put errhouse behind TLS, and set ERRHOUSE_PUBLIC_URL to its https address.",
        )
    if context.settings.PUBLIC_URL is None:
        raise Skip("The name that senders ask for is not known; set ERRHOUSE_PUBLIC_URL.")
    checking = context.tls()
    try:
        with (
            socket.create_connection((host, port_of(parts)), SECONDS) as plain,
            checking.wrap_socket(plain, server_hostname=host) as secure,
        ):
            told = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return wrong(
            f"Senders refuse the certificate of {host}: {error.verify_message.rstrip('.')}.",
            f"Give the server a certificate for {host} that is valid now, with its intermediate certificates; one of "
            "an authority of your own must be known to Sentry, and here by SSL_CERT_FILE.",
        )
    except (OSError, ValueError) as error:
        raise Skip(f"No TLS connection to {host} could be made ({error}).") from None
    end = ssl.cert_time_to_seconds(str(told["notAfter"]))
    left = timedelta(seconds=end - context.clock().timestamp())
    said = f"The certificate of {host} is valid for {left.days} more days."
    return ok(said) if left.days >= FEW_DAYS else warning(said, "Renew it; see why what renews it has not.")
