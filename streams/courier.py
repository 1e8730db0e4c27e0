"""One message to one address: signed as Standard Webhooks says, to a checked address, within a time.

async with Courier(url, secret, allowed) as courier:
    outcome = await courier.deliver(event_id, body)
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import functools
import hashlib
import hmac
import http
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import httpx
from standardwebhooks import Webhook as Signer

from events.feed import MEDIA_TYPE
from projections.webhooks import BadWebhook
from streams.addresses import IpAddress, IpNetwork, Unreachable, addresses, parse

LONGEST_DELIVERY = 20.0  # seconds, from the look-up of the name to the end of the answer
LONGEST_CONNECT = 5.0
MOST_ANSWER_BYTES = 65_536
AGENT = "cakupan-webhooks"


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. `gone`: the receiver wants no more of them. `detail`: what went wrong, in words."""

    delivered: bool
    detail: str
    gone: bool = False


def secret_of(key: bytes, name: str, salt: str) -> str:
    """The secret that signs for one webhook: the same whenever it is asked for, another for every salt."""
    made = hmac.new(key, f"cakupan webhook\n{name}\n{salt}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(made).decode()}"


class Courier:
    """Delivers to one URL. Its connection is kept between messages."""

    def __init__(self, url: str, secret: str, allowed: Sequence[IpNetwork] = ()) -> None:
        """Raises BadWebhook for a URL that is none."""
        self._url = parse(url)
        self._signer = Signer(secret)
        self._allowed = allowed
        self._client = httpx.AsyncClient(
            verify=_trust(),
            trust_env=False,  # a proxy would look the name up anew
            follow_redirects=False,
            timeout=httpx.Timeout(LONGEST_DELIVERY, connect=LONGEST_CONNECT),
        )

    async def __aenter__(self) -> Courier:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._client.aclose()

    async def deliver(self, message_id: str, body: bytes) -> Outcome:
        """One attempt. Never raises for what the receiver, or its network, does."""
        try:
            async with asyncio.timeout(LONGEST_DELIVERY):
                return _outcome(await self._post(self._signed(message_id, body), body))
        except BadWebhook as error:
            return Outcome(False, str(error))
        except Unreachable as error:
            return Outcome(False, str(error))
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(False, f"took longer than {LONGEST_DELIVERY:g} s")
        except httpx.ConnectError:
            return Outcome(False, "can't be connected to")
        except httpx.HTTPError as error:
            return Outcome(False, f"does not answer as HTTP does ({type(error).__name__})")

    async def _post(self, headers: dict[str, str], body: bytes) -> int:
        """To the addresses in turn until one takes a connection. Returns the status."""
        found = await addresses(self._url, self._allowed)
        for address in found[:-1]:
            try:
                return await self._post_to(address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._post_to(found[-1], headers, body)

    async def _post_to(self, address: IpAddress, headers: dict[str, str], body: bytes) -> int:
        named = {"Host": self._url.netloc.decode("ascii"), **headers}
        extensions = {} if _is_address(self._url.host) else {"sni_hostname": self._url.host}
        pinned = self._url.copy_with(host=str(address))
        async with self._client.stream("POST", pinned, content=body, headers=named, extensions=extensions) as answer:
            size = 0
            async for part in answer.aiter_raw():
                size += len(part)
                if size > MOST_ANSWER_BYTES:
                    break
            return answer.status_code

    def _signed(self, message_id: str, body: bytes) -> dict[str, str]:
        now = dt.datetime.now(dt.UTC)
        return {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, body.decode()),
        }


def _outcome(status: int) -> Outcome:
    if http.HTTPStatus.OK <= status < http.HTTPStatus.MULTIPLE_CHOICES:
        return Outcome(True, f"answered {status}")
    if http.HTTPStatus.MULTIPLE_CHOICES <= status < http.HTTPStatus.BAD_REQUEST:
        return Outcome(False, f"answered {status}; redirects are not followed")
    return Outcome(False, f"answered {status}", gone=status == http.HTTPStatus.GONE)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@functools.cache
def _trust() -> ssl.SSLContext:
    """What the system trusts: an office's own authority too."""
    return ssl.create_default_context()
