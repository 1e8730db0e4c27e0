"""Where a webhook may lead: to the public internet by https, and to networks that the operator names.

An address that somebody else chose must not lead into our own network, or whoever adds a webhook could ask our servers
what only they can reach. A name is looked up and every address behind it is checked, when a webhook is added and before
each delivery, and the connection goes to the address that was checked: a name that leads elsewhere a moment later
gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

import httpx

from events.rules import looks_like_nik
from projections.webhooks import BadWebhook

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 500
LONGEST_LOOKUP = 5.0  # seconds
NOT_PUBLIC = "leads to an address that is not public, such as one of a private network, and is refused"

# An IPv4 address inside an IPv6 one is looked at as the one that it leads to.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Unreachable(Exception):
    """A name that can't be looked up now."""


def networks(listed: str) -> tuple[IpNetwork, ...]:
    """Networks as CAKUPAN_WEBHOOK_ALLOW lists them, separated by commas. Raises ValueError."""
    return tuple(ipaddress.ip_network(each.strip()) for each in listed.split(",") if each.strip())


def parse(url: str) -> httpx.URL:
    """The URL, well-formed. Raises BadWebhook."""
    if looks_like_nik(url) or len(url) > LONGEST_URL:
        raise BadWebhook(f"URL: must have at most {LONGEST_URL} characters and no number of 16 digits")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise BadWebhook("URL: must be an address such as https://example.go.id/cakupan")
    if parsed.userinfo or parsed.fragment:
        raise BadWebhook("URL: must hold no user, password or fragment; deliveries are signed instead")
    return parsed


async def addresses(url: httpx.URL, allowed: Sequence[IpNetwork]) -> list[IpAddress]:
    """The addresses that a URL leads to, each checked. Raises BadWebhook for one that is refused, Unreachable."""
    found = await _look_up(url)
    listed = [any(_within(each, network) for network in allowed) for each in found]
    if not all(ok or is_public(each) for each, ok in zip(found, listed, strict=True)):
        raise BadWebhook(f"URL: {NOT_PUBLIC}")
    if url.scheme != "https" and not all(listed):
        raise BadWebhook("URL: must begin with https://")
    return found


def is_public(address: IpAddress) -> bool:
    """Whether an address is one of the public internet, all the way through."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour or address.teredo or address.is_site_local:
            return False
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


async def _look_up(url: httpx.URL) -> list[IpAddress]:
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        async with asyncio.timeout(LONGEST_LOOKUP):
            found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        raise Unreachable("its name can't be looked up") from None
    texts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
    return [ipaddress.ip_address(each) for each in texts]


def _within(address: IpAddress, network: IpNetwork) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version == network.version and address in network
