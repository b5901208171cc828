"""
Which addresses and headers this program may use: an address is of the Internet, or the operator said otherwise.

The same functions are asked when a target is saved, without the network, and when something is sent: then with the
addresses that its name has just led to, of which one is connected to and no other is asked for. One parser, urllib3's,
reads an address; what it read is what is used.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from reports.errors import DeliveryError

LONGEST_URL = 2048
LONGEST_HEADER = 4096
PORTS = {"https": 443, "http": 80}

_URL = re.compile(r"(?i:https?)://[A-Za-z0-9._:\[\]-]+(?:[/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_ADDRESS_IN_NAME = re.compile(
    r"(?<![0-9])([0-9]{1,3})[.-]([0-9]{1,3})[.-]([0-9]{1,3})[.-]([0-9]{1,3})(?![0-9])", re.ASCII
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*", re.ASCII)

# names that lead to this machine or stay within its network: RFC 6761, 6762, 8375, 9476 and what ICANN reserved
_NEAR = {
    "localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home", "corp", "onion", "invalid",
    "test", "alt",
}  # fmt: skip
_NEAR_ENDS = (".home.arpa", ".in-addr.arpa", ".ip6.arpa", ".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com")
_METADATA_NAMES = {
    "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal",
    "metadata.azure.internal", "metadata.tencentyun.com", "metadata.packet.net",
}  # fmt: skip

_PRIVATE: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
)
_NOT_GLOBAL: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),  # the way to 6to4
    IPv4Network("198.18.0.0/15"),
    IPv4Network("224.0.0.0/3"),
    IPv6Network("2001::/23"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("2002::/16"),  # 6to4: an IPv4 address is inside
    IPv6Network("3fff::/20"),
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_METADATA = {
    IPv4Address("168.63.129.16"),  # Azure's, of the Internet by its number
    IPv6Address("fd00:ec2::254"),
    IPv6Address("fd20:ce::254"),
}

# Svix's lists, and what the client itself writes
_OURS = {"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect"}
_FORBIDDEN = _OURS | {
    "user-agent", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "trailers", "upgrade", "age", "cache-control", "clear-site-data", "expires", "pragma", "warning", "content-type",
    "content-encoding", "content-language", "content-location",
}  # fmt: skip
_FORBIDDEN_STARTS = (
    "x-amz-", "x-amzn-", "x-google", "x-goog-", "x-gfe", "x-azure-", "x-fd-", "x-svix-", "svix-", "webhook-",
)  # fmt: skip


class Place(NamedTuple):
    """Where a request goes: `host` as its name is asked for, `path` as it is requested."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str, allow_private: bool) -> Place:
    """
    Read an http or https address; nothing is looked up. No sentence of a refusal repeats it: it may be a secret.

    Raises: DeliveryError, permanent.
    """
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise _refused(
            "The address is none: write https://host/path in plain ASCII, without a name or password before the host "
            "and without #."
        )
    try:
        read = parse_url(url)
    except LocationParseError:
        raise _refused("The address cannot be read; write https://host/path.") from None
    if read.scheme not in PORTS or not read.host or read.auth or read.fragment:
        raise _refused("The address cannot be read; write https://host/path.")
    if read.scheme == "http" and not allow_private:
        raise _refused("The address begins with http:, which anyone on the way can read; write https:.")
    port = PORTS[read.scheme] if read.port is None else read.port
    if port != PORTS[read.scheme] and (not allow_private or port == 0):
        raise _refused(f"Port {port} is not used: leave it out, or add the target with --allow-private.")
    return Place(read.scheme, check_host(read.host, allow_private), port, read.request_uri)


def check_host(host: str, allow_private: bool) -> str:
    """Give a name or address as it is asked for, in lower case and without brackets. Raises DeliveryError."""
    host = host.lower()
    if ":" in host:
        text = host.removeprefix("[").removesuffix("]")
        return check_address(text, allow_private)
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("The host is no name: letters, digits and hyphens, in ASCII, without a dot at its end.")
    if _NUMBER.fullmatch(labels[-1]):
        return check_address(host, allow_private)
    if host in _METADATA_NAMES:
        raise _refused("The host is a cloud's own service for its machines; no message goes there.")
    if not allow_private:
        if len(labels) == 1 or labels[-1] in _NEAR or f".{host}".endswith(_NEAR_ENDS):
            raise _private("The host is a name within a network")
        for found in _ADDRESS_IN_NAME.finditer(host):
            if all(int(part) < 256 for part in found.groups()):
                check_address(".".join(str(int(part)) for part in found.groups()), allow_private=False)
    return host


def check_address(text: str, allow_private: bool) -> str:
    """Give an IP address as it is written in full. Raises DeliveryError for one that may not be connected to."""
    try:
        address = ip_address(text)
    except ValueError:
        raise _refused(
            "The host is no address: write four numbers with dots, or an IPv6 address in brackets."
        ) from None
    if getattr(address, "scope_id", None) is not None:
        raise _refused("The address has a zone; only addresses without one are used.")
    if is_global(address):
        return str(address)
    if address in _METADATA or not any(address in network for network in _PRIVATE):
        raise _refused(f"It leads to {address}, to which no message goes.")
    if not allow_private:
        raise _private(f"It leads to {address}")
    return str(address)


def check_addresses(addresses: Iterable[str], allow_private: bool) -> tuple[str, ...]:
    """Give what a name led to, when every one of them may be connected to. Raises DeliveryError."""
    return tuple(dict.fromkeys(check_address(address, allow_private) for address in addresses))


def is_global(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is one of the Internet, and no way into a network by another name."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_global(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_IPV6:
            return False
    is_special = address in _METADATA or address.is_multicast or any(address in network for network in _NOT_GLOBAL)
    return address.is_global and not is_special


def check_header(name: str, value: str, *, is_fixed: bool = False) -> None:
    """
    Refuse a header that would be more than one, or one that the client writes.

    Takes: `is_fixed`, for what an operator adds to every request; the names that Svix forbids are refused then, too.
    Raises: DeliveryError, permanent; without the value, which may be a secret.
    """
    lower = name.lower()
    if not _HEADER_NAME.fullmatch(name) or len(name) > 100:
        raise _refused(f"{name[:100]!a} is no name of a header; take letters, digits and hyphens.")
    if lower in _OURS or (is_fixed and (lower in _FORBIDDEN or lower.startswith(_FORBIDDEN_STARTS))):
        raise _refused(f"The header {name} is not one to set; leave it out.")
    if len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
        raise _refused(f"The value of header {name} is not one line of plain ASCII; write it anew.")


def _refused(sentence: str) -> DeliveryError:
    return DeliveryError(sentence, permanent=True)


def _private(what: str) -> DeliveryError:
    return _refused(f"{what}, which is not of the Internet; if you mean that, add the target with --allow-private.")
