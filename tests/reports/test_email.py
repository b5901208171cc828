"""Mail over TLS, to a server that asks for it and for a password."""

import gc
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from reports import channels
from reports.channels import email
from reports.delivery.targets import Target
from reports.errors import DeliveryError
from tests.support.contracts import MESSAGE
from tests.support.doors import doors
from tests.support.mail import mail_server
from tests.support.vendor import Authority

NAME = "mail.example.com"


class Box:
    """Takes mails."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope)
        return "250 taken"

    def login(self, _: Any, __: Any, ___: Any, ____: str, told: Any) -> AuthResult:
        assert isinstance(told, LoginPassword)
        self.logins.append((told.login, told.password))
        return AuthResult(success=told.password == b"right", handled=False)


@contextmanager
def box(authority: Authority, *, is_smtps: bool = False, is_plain: bool = False) -> Iterator[tuple[Box, int]]:
    made = Box()
    context = authority.server_context()
    tls: dict[str, Any] = {"ssl_context": context} if is_smtps else {} if is_plain else {"tls_context": context}
    controller = Controller(
        made,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=made.login,
        auth_required=not is_smtps and not is_plain,
        auth_require_tls=not is_smtps and not is_plain,
        require_starttls=not is_smtps and not is_plain,
        **tls,
    )
    controller.ssl_context = context if is_smtps else None
    controller.start()
    try:
        yield made, controller.port
    finally:
        with warnings.catch_warnings():  # aiosmtpd leaves connections to the collector when it is stopped
            warnings.simplefilter("ignore", ResourceWarning)
            controller.stop()
            gc.collect()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def target(url: str, authority: Authority, /, **more: str) -> Target:
    options = {
        "from": "errhouse@example.com",
        "to": "ops@example.com",
        "user": "errhouse",
        "password": "right",
        "ca_file": str(authority.ca_file),
    }
    return Target("mail", "email", {**options, "url": url, **more})


@pytest.mark.parametrize(("url", "is_smtps"), [(f"smtp://{NAME}:587", False), (f"smtps://{NAME}", True)])
def test_mail_goes_by_tls_with_a_login(url: str, is_smtps: bool, tmp_path: Path) -> None:
    authority = Authority(tmp_path, NAME)
    with box(authority, is_smtps=is_smtps) as (taken, port):
        to = target(url, authority)
        sent = channels.check(to).send(to, MESSAGE, doors(port, authority))
    assert sent.status == 250
    assert taken.logins == [(b"errhouse", b"right")]
    assert b"ValueError: no price" in taken.mails[0].content


def test_a_wrong_password_is_permanent_and_not_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path, NAME)
    with box(authority) as (taken, port):
        to = target(f"smtp://{NAME}:587", authority, password="wrong-canary")
        with pytest.raises(DeliveryError, match="The login was refused; check user and password") as wrong:
            email.send(to, MESSAGE, doors(port, authority))
    assert (wrong.value.permanent, wrong.value.status, taken.mails) == (True, 535, [])
    assert "canary" not in f"{wrong.value} {wrong.value.detail}"


def test_a_server_without_tls_learns_no_password_and_gets_no_mail(tmp_path: Path) -> None:
    authority = Authority(tmp_path, NAME)
    with mail_server() as server:
        to = target(f"smtp://{NAME}:587", authority)
        with pytest.raises(DeliveryError, match="offers no STARTTLS") as wrong:
            email.send(to, MESSAGE, doors(server.port, authority))
    assert wrong.value.permanent
    assert server.mails == []


def test_a_certificate_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "other.example.com")
    with box(authority) as (taken, port):
        to = target(f"smtp://{NAME}:587", authority)
        with pytest.raises(DeliveryError, match="TLS with the mail server failed"):
            email.send(to, MESSAGE, doors(port, authority))
    assert taken.mails == []
    assert isinstance(authority.server_context(), ssl.SSLContext)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": "http://mail.example.com"}, "url is smtps://host or smtp://host:587"),
        ({"url": "smtp://user:secret@mail.example.com"}, "url is smtps://host or smtp://host:587"),
        ({"to": "ops@example.com\r\nBcc: all@example.com"}, "is no address of mail"),
        ({"from": "errhouse"}, "is no address of mail"),
        ({"to": " , "}, "to names one address of mail to fifty"),
        ({"password": ""}, "user and password go together"),
    ],
)
def test_what_cannot_be_a_target_of_mail_is_one_sentence(
    options: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DeliveryError, match=sentence) as wrong:
        email.check(target(f"smtp://{NAME}:587", Authority(tmp_path, NAME), **options))
    assert wrong.value.permanent
