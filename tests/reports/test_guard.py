"""Where this program may go: every way to write an address of a network, refused when saved and when sent (O-01)."""

from collections.abc import Iterator
from typing import Any

import pytest

from reports.delivery.guard import check_addresses, check_header, check_host, check_url
from reports.delivery.http_client import Client
from reports.delivery.targets import Target
from reports.errors import DeliveryError
from tests.support.vendor import Vendor, vendor

ANY = "0.0.0.0"  # noqa: S104 - never bound to
HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "0177.0.0.1", "0177.0.0.01", "2130706433", "017700000001", "0x7f.1", "0x7f000001",
    "0x7F.0.0.0x1", ANY, "0", "127.255.255.254", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::10.0.0.1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2001:0:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%eth0]", "[fe80::1%25eth0]", "[fec0::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[fc00::1]", "[ff02::1]",
    "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "169.254.169.254", "169.254.170.2", "169.254.0.1",
    "metadata.google.internal", "METADATA.google.internal", "metadata", "metadata.goog", "instance-data",
    "168.63.129.16",
    "100.64.0.1", "100.100.100.200", "100.127.255.255", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.1", "203.0.113.1",
    "198.18.0.1", "198.19.255.255", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "localhost", "localhost.", "LOCALHOST", "x.localhost", "localhost.localdomain", "127.0.0.1.", "printer.local",
    "db.internal", "nas.lan", "router.home.arpa", "intranet", "1.0.0.127.in-addr.arpa", "127.0.0.1.nip.io",
    "127-0-0-1.sslip.io", "app.10.0.0.1.nip.io", "a-169-254-169-254-b.example.com", "localtest.me", "x.lvh.me",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021",
    "\u0661\u0662\u0667.0.0.1", "loc\u0430lhost",
    "l\u24deca\u2113host", "%31%32%37.0.0.1", "localhost%00.good.com", "127.0.0.1%2f@good.com", "good.com%2f@127.0.0.1",
    "256.256.256.256", "1.2.3.4.5", "good..com", "-", ".", "", "a" * 64 + ".com",
    ".".join(["abcdefgh"] * 32), "0x", "08.8.8.8",
]  # fmt: skip
URLS = [
    "http://127.0.0.1:6666\\@good.com", "http://good.com#@127.0.0.1", "http://good.com:80@127.0.0.1", "//127.0.0.1",
    "https://good.com\\@127.0.0.1", "https://good.com#@127.0.0.1", "https://good.com:443@127.0.0.1",
    "https://u:p@good.com",
    "https://good.com@127.0.0.1", "https:///127.0.0.1", "https:127.0.0.1", "https:/127.0.0.1", "127.0.0.1",
    "good.com/x",
    "file:///etc/passwd", "gopher://127.0.0.1:70/_x", "ftp://good.com/", "ws://good.com",
    "dict://good.com:11211/", "ldap://good.com",
    "unix:///var/run/docker.sock", "http+unix://%2fvar%2frun%2fdocker.sock/x", "jar:https://good.com!/",
    "data:text/plain,x",
    "javascript:alert(1)", "https://good.com:6379/", "https://good.com:80/", "https://good.com:22",
    "http://good.com/", "http://8.8.8.8/",
    "https://good.com:0/", "https://good.com:99999/", "https://good.com:-1/",
    "https://good.com:\u0664\u0664\u0663/", "https://good.com /",
    " https://good.com/", "https://good.com/\r\nHost: x", "https://good.com/\n", "https://good.com/\0",
    "https://good.com/\t", "https://good.com/\u00e9",
    "https://good.com/#x", "https://[::1", "https://::1/", "https://[good.com]/", "https://good.com,127.0.0.1/",
    "https://good.com;127.0.0.1/",
    "https://good.com\u2025127.0.0.1/", "https://good.com\u2044@127.0.0.1/", "", "https://", "https://?x",
    "https://good.com/" + "x" * 3000,
]  # fmt: skip
ALLOWED = {
    "https://hooks.slack.com/services/T0/B0/x": "93.184.216.34",
    "https://EXAMPLE.com": "93.184.216.34",
    "https://example.com:443/a/b?c=d&e=%20": "93.184.216.34",
    "https://8.8.8.8/": "8.8.8.8",
    "https://[2606:4700:4700::1111]/": "2606:4700:4700::1111",
    "https://a.b-c.example.org/@me/x:y": "1.1.1.1",
    "https://xn--bcher-kva.example/": "9.9.9.9",
    "https://example.com?x=1": "192.0.1.1",
    "https://example.com/a,b;c=(d)!'*": "100.63.255.255",
    "https://nat64.example.com/": "64:ff9b::808:808",
}


@pytest.fixture
def canary() -> Iterator[Vendor]:
    """A server of this machine that nothing may reach."""
    with vendor() as server:
        yield server
        assert server.connections == 0


def nowhere(address: str, port: int, seconds: float) -> Any:
    raise AssertionError(f"{address}:{port} was connected to within {seconds}")


@pytest.mark.parametrize("url", [f"https://{host}/x" for host in HOSTS] + URLS)
def test_an_address_of_a_network_is_refused_when_it_is_saved_and_when_it_is_used(url: str, canary: Vendor) -> None:
    with pytest.raises(DeliveryError) as saved:
        check_url(url, allow_private=False)
    assert saved.value.permanent
    for port in ("", f":{canary.port}"):
        client = Client(lambda *_: ["127.0.0.1"], nowhere)
        with pytest.raises(DeliveryError) as sent:
            client.http(Target("x", "webhook", {})).request("POST", url.replace("/x", f"{port}/x"), {})
        assert sent.value.permanent


def test_the_table_is_as_long_as_was_promised() -> None:
    assert len(set(HOSTS) | set(URLS)) > 130


@pytest.mark.parametrize("host", [host.lower() for host in HOSTS if host])
def test_a_host_of_a_network_is_refused_for_mail(host: str) -> None:
    with pytest.raises(DeliveryError):
        check_host(host, allow_private=False)


@pytest.mark.parametrize(("url", "address"), ALLOWED.items())
def test_an_address_of_the_internet_is_connected_to(url: str, address: str) -> None:
    connected: list[tuple[str, int]] = []

    def dial(at: str, port: int, _: float) -> Any:
        connected.append((at, port))
        raise ConnectionRefusedError

    with pytest.raises(DeliveryError) as wrong:
        Client(lambda *_: [address], dial).http(Target("x", "webhook", {})).request("POST", url, {})
    assert not wrong.value.permanent
    assert connected == [(address, 443)]


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["10.0.0.1", "93.184.216.34"], ["93.184.216.34", "::1"],
        ["::ffff:10.0.0.1"], ["::ffff:8.8.8.8"], ["fe80::1%2"], ["64:ff9b::c0a8:1"], ["169.254.169.254"], [ANY],
        ["not an address"], ["2002:0808:0808::1"],
    ],
)  # fmt: skip
def test_a_name_is_refused_when_one_of_its_addresses_is_of_a_network(answers: list[str], canary: Vendor) -> None:
    assert canary.port
    with pytest.raises(DeliveryError) as wrong:
        Client(lambda *_: answers, nowhere).http(Target("x", "webhook", {})).request("GET", "https://example.com/", {})
    assert wrong.value.permanent


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/", "http://localhost:8080/", "https://10.1.2.3/", "http://[::1]:9/", "https://[fd12::1]/",
        "http://192.168.1.1/", "http://gitlab/x", "http://chat.internal:8065/", "http://127.0.0.1.nip.io/",
        "https://example.com:8443/",
    ],
)  # fmt: skip
def test_what_an_operator_allows_is_not_refused(url: str) -> None:
    assert check_url(url, allow_private=True)
    with pytest.raises(DeliveryError):
        check_url(url, allow_private=False)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.170.2", "metadata.google.internal", "[fd00:ec2::254]", "[fe80::1%eth0]", ANY,
        "[::]", "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255", "127.1", "2130706433", "localhost.",
        "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "192.0.0.192",
    ],
)  # fmt: skip
def test_a_network_that_is_allowed_is_not_its_machinery(host: str) -> None:
    with pytest.raises(DeliveryError):
        check_url(f"http://{host}/", allow_private=True)


def test_what_was_read_is_what_is_used() -> None:
    place = check_url("https://EXAMPLE.com/a%20b?c", allow_private=False)
    assert (place.host, place.port, place.path, place.authority) == ("example.com", 443, "/a%20b?c", "example.com")
    assert check_url("http://[FD12::1]:81", allow_private=True).authority == "[fd12::1]:81"
    assert check_url("https://example.com:8443", allow_private=True).authority == "example.com:8443"


def test_an_address_is_told_once() -> None:
    assert check_addresses(["8.8.8.8", "8.8.8.8", "1.1.1.1"], allow_private=False) == ("8.8.8.8", "1.1.1.1")


@pytest.mark.parametrize("url", [each for each in URLS if "good" in each])
def test_no_refusal_repeats_an_address(url: str) -> None:
    with pytest.raises(DeliveryError) as wrong:
        check_url(url, allow_private=False)
    assert "good" not in str(wrong.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "a\r\nb: c"), ("x", "a\nb"), ("x", "a\rb"), ("x", "a\0b"), ("x", "\r\n"), ("x", "a\x0bb"), ("x", "a\x7f"),
        ("x", "a\u2028b"), ("x", "a\u560d\u560ab"), ("x", "\u00e9"), ("x", "a" * 5000), ("x\r\ny", "a"), ("x: y", "a"),
        ("", "a"), ("x y", "a"), ("x\0", "a"), ("\u00e9", "a"), ("x" * 200, "a"), ("(x)", "a"), ("Host", "127.0.0.1"),
        ("Content-Length", "0"), ("Transfer-Encoding", "chunked"), ("Connection", "upgrade"), ("Accept-Encoding", "br"),
        ("Expect", "100-continue"),
    ],
)  # fmt: skip
def test_a_header_that_would_be_more_than_one_is_refused(name: str, value: str, canary: Vendor) -> None:
    target = Target("x", "webhook", {}, allow_private=True)
    with pytest.raises(DeliveryError) as wrong:
        Client().http(target).request("POST", canary.url, {name: value})
    assert wrong.value.permanent
    assert not value or len(value) < 3 or value not in str(wrong.value)


@pytest.mark.parametrize(
    "name",
    ["User-Agent", "Keep-Alive", "Proxy-Authorization", "TE", "Trailer", "Upgrade", "Cache-Control", "Content-Type",
     "Content-Encoding", "X-Amz-Date", "X-Goog-Api", "X-Azure-Ref", "X-FD-1", "Svix-Id", "X-Svix-1", "Webhook-Id"],
)  # fmt: skip
def test_what_svix_forbids_is_no_fixed_header(name: str) -> None:
    with pytest.raises(DeliveryError, match="is not one to set"):
        check_header(name, "a", is_fixed=True)


def test_a_header_of_one_line_is_taken() -> None:
    check_header("Authorization", "Bearer abc", is_fixed=True)
    check_header("X-Team", "a\tb", is_fixed=True)
    check_header("user-agent", "errhouse")
