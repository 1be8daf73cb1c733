"""Referrers in pages, and who sees which; on both engines."""

import json
from urllib.parse import urlsplit

import pytest

from entrepot.access.caller import Caller
from entrepot.formats.docker import referrers
from tests.world import ADMIN, INDEX, MANIFEST, Node, manifest, sha256

ONE = b"one"


async def refer(node: Node, image: str, subject: bytes, *notes: str, artifact: str = "application/x-one") -> list[str]:
    """Push a referrer for each note; return their digests."""
    await node.upload(image, ONE)
    bodies = [manifest(ONE, subject=subject, artifact=artifact, note=note) for note in notes]
    for body in bodies:
        assert (await node.put(image, sha256(body), body)).status == 201
    return [sha256(body) for body in bodies]


async def pages(node: Node, url: str, caller: Caller = ADMIN) -> list[list[str]]:
    """Return the digests of each page, by the links from one to the next."""
    found: list[list[str]] = []
    following: str | None = url
    while following:
        answer = await node.ask("GET", following, caller=caller)
        assert (answer.status, answer.headers["content-type"]) == (200, INDEX)
        assert answer.json["mediaType"] == INDEX
        listed = answer.json["manifests"]
        assert isinstance(listed, list)
        found.append([one["digest"] for one in listed])
        link = urlsplit(answer.headers.get("link", "").partition(">")[0].removeprefix("<"))
        following = f"{link.path}?{link.query}" if link.query else None
    return found


def together(found: list[list[str]]) -> list[str]:
    return [digest for page in found for digest in page]


async def test_large_referrers_come_in_pages_of_some_size(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "_BYTES", 50_000)
    subject = await node.push("r/app", "1.0", ONE)
    pushed = await refer(node, "r/app", subject, *(f"{n}{'x' * 20_000}" for n in range(7)))
    found = await pages(node, f"/v2/r/app/referrers/{sha256(subject)}")
    assert together(found) == pushed
    assert [len(page) for page in found] == [2, 2, 2, 1]


async def test_so_many_referrers_are_looked_at_for_a_page_and_a_link_keeps_its_filter(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referrers, "_AT_ONCE", 2)
    monkeypatch.setattr(referrers, "_LOOKED_AT", 4)
    subject = await node.push("r/app", "1.0", ONE)
    await refer(node, "r/app", subject, "a", "b", "c", "d", artifact="application/x-other")
    wanted = await refer(node, "r/app", subject, "e", "f", artifact="application/x-one+json")
    found = await pages(node, f"/v2/r/app/referrers/{sha256(subject)}?artifactType=application%2Fx-one%2Bjson")
    assert found == [[], wanted]


async def test_pages_go_over_the_members_of_a_virtual_repository_and_what_clients_listed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referrers, "_BYTES", 1)
    await node.create("a")
    await node.create("v", "virtual", repositories=["r", "a"])
    subject = await node.push("r/app", "1.0", ONE)
    first = await refer(node, "r/app", subject, "1", "2")
    second = await refer(node, "a/app", subject, "3")
    old = {"mediaType": MANIFEST, "digest": sha256(b"old"), "size": 3}
    tag = sha256(subject).replace(":", "-")
    await node.put("a/app", sha256(subject), subject)
    document = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**old, "digest": second[0]}]})
    assert (await node.put("a/app", tag, document.encode(), kind=INDEX)).status == 201
    found = await pages(node, f"/v2/v/app/referrers/{sha256(subject)}")
    assert together(found) == first + second
    assert all(len(page) <= 1 for page in found)


async def test_who_may_read_any_tag_of_a_referrer_sees_it(node: Node) -> None:
    subject = await node.push("r/app", "1.0", ONE)
    body = manifest(ONE, subject=subject, note="n")
    for tag in ("hidden", "shown"):
        assert (await node.put("r/app", tag, body)).status == 201
    reader = node.grant("reader", "r", "app/shown/**")
    other = node.grant("other", "r", "app/none/**")
    url = f"/v2/r/app/referrers/{sha256(subject)}"
    assert await pages(node, url, reader) == [[sha256(body)]]
    assert await pages(node, url, other) == [[]]


@pytest.mark.parametrize("place", ["x", "1", "1.", "-1.2", "1.2.3", "9" * 19 + ".1"])
async def test_a_link_that_was_not_given_is_refused(node: Node, place: str) -> None:
    answer = await node.ask("GET", f"/v2/r/app/referrers/{sha256(b'?')}?next={place}")
    assert answer.status == 400
