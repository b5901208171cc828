"""
Sends mail by SMTP: the message as text and as HTML, with a report's files attached.

RFC 5321, 5322 and 8314. TLS from the first byte (smtps) or by STARTTLS, without which no password is sent and, unless
private addresses are allowed, nothing at all. Files go along up to 10 MiB together, as most servers take 20 MB of what
is a third longer on the way. The same message has the same Message-ID when it comes again. Permanent are the answers
5xx; an address that is refused while others are taken is written down.
"""

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from urllib.parse import SplitResult, urlsplit

from reports.delivery.http_client import tls_context
from reports.delivery.message import Message
from reports.delivery.outgoing import Outgoing, Sent
from reports.delivery.plain import cut, is_page, printable
from reports.delivery.targets import Option, Target
from reports.errors import DeliveryError

NAME: str = "email"
SENTENCE: str = "Sends mail."
OPTIONS: tuple[Option, ...] = (
    Option("url", "The mail server: smtps://host, or smtp://host:587 with STARTTLS.", is_required=True),
    Option("to", "Who it goes to, comma separated.", is_required=True),
    Option("from", "Who it comes from, such as errhouse@example.com.", is_required=True),
    Option("user", "Name to log in with."),
    Option("password", "Password to log in with.", is_secret=True),
    Option("ca_file", "A PEM file with the certificates to trust in place of the system's."),
)
PORTS = {"smtp": 587, "smtps": 465}
MOST_FILES_BYTES = 10 * 1024 * 1024
SUBJECT_CHARS = 200
FACT_CHARS = 500
TEXT_CHARS = 8000
TOO_LONG = "Line too long."  # what smtplib says by itself, as if it had been answered 500
COLORS = {"fatal": "#b00020", "error": "#b00020", "warning": "#8a5a00"}

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*)", re.ASCII)


def check(target: Target) -> None:
    """Refuse a server or an address that cannot be."""
    _server(target)
    for address in (*_recipients(target), target.get("from")):
        if not _ADDRESS.fullmatch(address):
            raise DeliveryError(
                f"{address[:80]!r} is no address of mail; write name@example.com, several with commas.", permanent=True
            )
    if bool(target.get("user")) != bool(target.get("password")):
        raise DeliveryError("user and password go together; give both or none.", permanent=True)


def send(target: Target, message: Message, out: Outgoing) -> Sent:
    """Send one mail to all who are told."""
    mail = letter(target, message)
    server = _server(target)
    host, port = server.hostname or "", server.port or PORTS[server.scheme]
    try:
        with _Session(target, host, port, out, is_tls=server.scheme == "smtps") as session:
            return _delivered(session, target, mail)
    except smtplib.SMTPRecipientsRefused as error:
        code, said = max(error.recipients.values(), key=lambda answer: answer[0])
        raise _refused(code, said, "Nobody it goes to was taken; check to") from None
    except smtplib.SMTPAuthenticationError as error:
        raise _refused(error.smtp_code, error.smtp_error, "The login was refused; check user and password") from None
    except smtplib.SMTPResponseException as error:
        if error.smtp_error == TOO_LONG:
            raise DeliveryError("The mail server did not answer as SMTP is answered.", permanent=False) from None
        raise _refused(error.smtp_code, error.smtp_error, "The mail was refused") from None
    except ssl.SSLError as error:
        raise DeliveryError(
            f"TLS with the mail server failed ({error.reason or 'no reason told'}); see ca_file.", permanent=False
        ) from None
    except (OSError, smtplib.SMTPException, ValueError):
        raise DeliveryError(
            "The mail server did not answer as SMTP is answered, or in time.", permanent=False
        ) from None


def letter(target: Target, message: Message) -> EmailMessage:
    """Give the mail. Every text of others is data: in the subject one line, in HTML escaped."""
    mail = EmailMessage(policy=SMTP)
    sender = target.get("from")
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = [Address(addr_spec=address) for address in _recipients(target)]
    mail["Subject"] = _line(message.title, SUBJECT_CHARS) or "errhouse"
    if message.made_at:
        mail["Date"] = format_datetime(message.made_at)
    name = re.sub(r"[^A-Za-z0-9.=_-]", lambda found: f"={ord(found[0]):x}", message.key)[:180]
    mail["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(message))
    mail.add_alternative(_html(message), subtype="html")
    _attach(mail, message)
    return mail


def _attach(mail: EmailMessage, message: Message) -> None:
    left = MOST_FILES_BYTES
    about = message.report
    for artifact in sorted(message.artifacts, key=lambda each: len(each.body)):
        left -= len(artifact.body)
        if left < 0:
            break
        kind, _, rest = artifact.media_type.partition(";")[0].partition("/")
        stem = f"{about.report}-{about.period}" if about else "report"
        name = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', stem)[:100]}.{artifact.extension}"
        mail.add_attachment(artifact.body, maintype=kind, subtype=rest, filename=name)


def _text(message: Message) -> str:
    lines = [_line(message.title, 1000), ""]
    if message.text:
        lines += [cut(printable(message.text), TEXT_CHARS), ""]
    lines += [f"{_line(fact.name, 60)}: {_line(fact.value, FACT_CHARS)}" for fact in message.facts if fact.value]
    if message.link:
        lines += ["", _line(message.link, 2000)]
    return "\n".join([*lines, "", _signature(message), ""])


def _html(message: Message) -> str:
    color = COLORS.get(message.level or "", "#1f2933")
    rows = "".join(
        f'<tr><th style="text-align:left;padding:2px 16px 2px 0;vertical-align:top;font-weight:600">'
        f'{escape(_line(fact.name, 60))}</th><td style="padding:2px 0;word-break:break-word">'
        f"{escape(_line(fact.value, FACT_CHARS))}</td></tr>"
        for fact in message.facts
        if fact.value
    )
    paragraphs = "".join(
        f"<p>{escape(line)}</p>" for line in cut(printable(message.text), TEXT_CHARS).splitlines() if line
    )
    link = ""
    if message.link and is_page(message.link):
        link = f'<p><a href="{escape(message.link, quote=True)}">Open it</a></p>'
    return (
        '<!doctype html><html lang="en"><body style="font-family:system-ui,sans-serif;font-size:15px;line-height:1.45">'
        f'<h1 style="font-size:18px;color:{color};word-break:break-word">{escape(_line(message.title, 1000))}</h1>'
        f"{paragraphs}<table>{rows}</table>{link}"
        f'<p style="color:#616e7c;font-size:13px">{escape(_signature(message))}</p></body></html>'
    )


def _signature(message: Message) -> str:
    return f"errhouse, rule {_line(message.rule, 80)}" if message.rule else "errhouse"


def _line(text: str, length: int) -> str:
    return " ".join(cut(printable(text), length).split())


def _recipients(target: Target) -> list[str]:
    found = [address.strip() for address in target.get("to").split(",") if address.strip()]
    if not 1 <= len(found) <= 50:
        raise DeliveryError("to names one address of mail to fifty, comma separated.", permanent=True)
    return found


def _server(target: Target) -> SplitResult:
    try:
        server = urlsplit(target.get("url"))
        is_good = server.scheme in PORTS and server.hostname and server.port != 0
    except ValueError:
        is_good = False
    if not is_good or server.path.strip("/") or server.query or server.fragment or "@" in server.netloc:
        raise DeliveryError(
            "url is smtps://host or smtp://host:587; who logs in is told by user and password.", permanent=True
        )
    return server


class _Session(smtplib.SMTP):
    """A session on a connection that was vetted; whoever does not speak TLS learns nothing."""

    def __init__(self, target: Target, host: str, port: int, out: Outgoing, *, is_tls: bool) -> None:
        self._target = target
        self._out = out
        self._is_tls = is_tls
        super().__init__(host, port, timeout=5)
        try:
            self.ehlo_or_helo_if_needed()
            if not is_tls:
                self._secure()
            if target.get("user"):
                self.login(target.get("user"), target.get("password"))
        except BaseException:
            self.close()
            raise

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        made = self._out.connect(self._target, host, port)
        try:
            if self._is_tls:
                made = tls_context(self._target).wrap_socket(made, server_hostname=host)
            made.settimeout(timeout)
        except BaseException:
            made.close()
            raise
        return made

    def _secure(self) -> None:
        if self.has_extn("starttls"):
            self.starttls(context=tls_context(self._target))
            self.ehlo()
        elif self._target.get("user") or not self._target.allow_private:
            raise DeliveryError(
                "The mail server offers no STARTTLS; use smtps, or add a server of your own with --allow-private.",
                permanent=True,
            )


def _delivered(session: smtplib.SMTP, target: Target, mail: EmailMessage) -> Sent:
    refused = session.send_message(mail, target.get("from"), _recipients(target))
    with suppress(OSError, smtplib.SMTPException):
        session.quit()
    if refused:
        codes = ", ".join(f"{address}: {code}" for address, (code, _) in sorted(refused.items()))
        return Sent(250, f"not taken for {codes}"[:2000])
    return Sent(250)


def _refused(code: int, said: bytes | str, sentence: str) -> DeliveryError:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    shown = "".join(char if char.isprintable() else " " for char in text)[:500]
    return DeliveryError(
        f"{sentence} (the mail server answered {code}).", permanent=code >= 500, status=code, detail=shown
    )
