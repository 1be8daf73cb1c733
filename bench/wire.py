"""Single requests of the harness itself: seeding, tokens and checks. Load comes from the load client."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from bench.content import ACCEPT, MANIFEST_TYPE
from bench.values import Failed


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `target` is path and query, or a whole URL as it stands in a Location."""

    method: str
    target: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def send(address: str, call: Call, authorization: str = "") -> Answer:
    parts = urlsplit(call.target)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = dict(call.headers) | ({"Authorization": authorization} if authorization else {})
    connection = http.client.HTTPConnection(address, timeout=120)
    try:
        connection.request(call.method, target, body=call.body, headers=headers)
        response = connection.getresponse()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, response.read())
    finally:
        connection.close()


def expect(answer: Answer, status: int, what: str) -> Answer:
    if answer.status != status:
        raise Failed(f"{what}: {answer.status} {answer.body[:200].decode(errors='replace')}")
    return answer


def push_blob(address: str, repository: str, digest: str, body: bytes, authorization: str) -> None:
    """POST and PUT, as a client does."""
    begin = f"/v2/{repository}/blobs/uploads/"
    opened = expect(send(address, Call("POST", begin, b""), authorization), 202, f"POST {begin}")
    session = opened.headers["location"]
    target = f"{session}{'&' if '?' in session else '?'}digest={quote(digest)}"
    put = Call("PUT", target, body, (("Content-Type", "application/octet-stream"),))
    expect(send(address, put, authorization), 201, f"PUT {session}")


def push_manifest(address: str, target: str, body: bytes, authorization: str) -> None:
    put = Call("PUT", target, body, (("Content-Type", MANIFEST_TYPE),))
    expect(send(address, put, authorization), 201, f"PUT {target}")


def get(address: str, target: str, authorization: str, more: tuple[tuple[str, str], ...] = ()) -> Answer:
    return send(address, Call("GET", target, headers=(("Accept", ACCEPT), *more)), authorization)
