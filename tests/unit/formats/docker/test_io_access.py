"""Who sees what: narrow rights, mounts, lists over several repositories, virtual ones; on both engines."""

from urllib.parse import urlsplit

import pytest

from entrepot.access.actions import Action
from entrepot.formats.docker import images
from tests.world import INDEX, Node, index, manifest, sha256

ONE, TWO, BIG = b"one", b"two", b"x" * 50_000


async def listed(node: Node, url: str, **more: object) -> object:
    answer = await node.ask("GET", url, **more)  # type: ignore[arg-type]
    return answer.json.get("tags", answer.json.get("repositories")) if answer.status == 200 else answer.status


async def test_the_reader_of_one_tag_sees_that_tag_alone(node: Node) -> None:
    mine = await node.push("r/app", "1.0", ONE, note="mine")
    other = await node.push("r/app", "2.0", TWO, note="other")
    reader = node.grant("reader", "r", "app/1.0/**")
    assert await listed(node, "/v2/r/app/tags/list", caller=reader) == ["1.0"]
    assert (await node.ask("GET", "/v2/r/app/manifests/1.0", caller=reader)).body == mine
    assert (await node.ask("GET", "/v2/r/app/manifests/2.0", caller=reader)).status == 403
    assert (await node.ask("GET", f"/v2/r/app/manifests/{sha256(mine)}", caller=reader)).body == mine
    assert (await node.ask("GET", f"/v2/r/app/manifests/{sha256(other)}", caller=reader)).status == 404
    assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(ONE)}", caller=reader)).body == ONE
    assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(TWO)}", caller=reader)).status == 404
    assert (await node.ask("GET", f"/v2/r/app/blobs/{sha256(other)}", caller=reader)).status == 404


async def test_the_reader_of_one_tag_sees_only_its_referrers(node: Node) -> None:
    body = await node.push("r/app", "1.0", ONE)
    await node.upload("r/app", TWO)
    for tag in ("1.0.sig", "secret"):
        assert (await node.put("r/app", tag, manifest(TWO, subject=body, note=tag))).status == 201
    reader = node.grant("reader", "r", "app/1.0*/**")
    answer = await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}", caller=reader)
    found = answer.json["manifests"]
    assert isinstance(found, list)
    assert [one["annotations"]["note"] for one in found] == ["1.0.sig"]


async def test_the_reader_of_one_tag_finds_its_content_among_however_many_others_that_share_it(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_HELD", 3)
    monkeypatch.setattr(images, "_JUDGED_AT_ONCE", 2)
    body = await node.push("r/app", "v0", ONE)
    for n in range(1, 10):
        await node.put("r/app", f"v{n}", body)
    signature = manifest(ONE, subject=body)
    for n in range(10):
        await node.put("r/app", f"v{n}.sig", signature)
    both = Action.READ | Action.DEPLOY
    reader, other = (
        node.grant(name, "r", pattern, rights=both) for name, pattern in (("a", "app/v9*/**"), ("b", "app/w/**"))
    )
    for url, content in ((f"manifests/{sha256(body)}", body), (f"blobs/{sha256(ONE)}", ONE)):
        assert (await node.ask("GET", f"/v2/r/app/{url}", caller=reader)).body == content
        assert (await node.ask("GET", f"/v2/r/app/{url}", caller=other)).status == 404
    found = (await node.ask("GET", f"/v2/r/app/referrers/{sha256(body)}", caller=reader)).json["manifests"]
    assert isinstance(found, list)
    assert [one["digest"] for one in found] == [sha256(signature)]
    assert (await node.put("r/app", "v99", manifest(ONE), caller=reader)).status == 201
    assert (await node.put("r/app", "v98", index(body), caller=reader, kind=INDEX)).status == 201
    assert (await node.put("r/app", "w", manifest(ONE), caller=other)).status == 400
    assert (await node.put("r/app", "w", index(body), caller=other, kind=INDEX)).status == 400


async def test_an_image_of_which_nothing_may_be_read_is_as_unknown_as_one_that_is_not_there(node: Node) -> None:
    await node.push("r/app", "2.0", ONE)
    reader = node.grant("reader", "r", "app/1.0/**", "none/1.0/**")
    there = await node.ask("GET", "/v2/r/app/tags/list", caller=reader)
    absent = await node.ask("GET", "/v2/r/none/tags/list", caller=reader)
    assert (there.status, absent.status) == (404, 404)
    assert await listed(node, "/v2/_catalog", caller=reader) == []


async def test_the_catalog_shows_what_has_something_to_read(node: Node) -> None:
    await node.push("r/app", "1.0", ONE)
    await node.push("r/secret", "1.0", ONE)
    reader = node.grant("reader", "r", "app/1.0/**")
    assert await listed(node, "/v2/_catalog", caller=reader) == ["r/app"]


async def test_who_may_read_nothing_is_refused_whether_or_not_it_exists(node: Node) -> None:
    await node.push("r/app", "1.0", ONE)
    nobody = node.grant("nobody", "elsewhere")
    for url in ("/v2/r/app/tags/list", "/v2/r/none/tags/list", "/v2/none/x/tags/list", "/v2/r/app/manifests/1.0"):
        assert (await node.ask("GET", url, caller=nobody)).status == 403


async def test_an_upload_is_readable_to_who_made_it_also_with_narrow_rights(node: Node) -> None:
    both = Action.READ | Action.DEPLOY
    mine, other = (
        node.grant("mine", "r", "app/1.0/**", rights=both),
        node.grant("other", "r", "app/2.0/**", rights=both),
    )
    await node.upload("r/app", ONE, caller=mine)
    url = f"/v2/r/app/blobs/{sha256(ONE)}"
    assert (await node.ask("HEAD", url, caller=mine)).status == 200
    assert (await node.ask("HEAD", url, caller=other)).status == 404
    assert (await node.put("r/app", "2.0", manifest(ONE), caller=other)).status == 400
    assert (await node.put("r/app", "1.0", manifest(ONE), caller=mine)).status == 201


@pytest.mark.parametrize("stated", ["&from=r/app", ""])
async def test_a_blob_is_mounted_from_what_the_caller_may_read_and_from_nothing_else(node: Node, stated: str) -> None:
    await node.create("t")
    await node.push("r/app", "1.0", ONE, BIG)
    await node.push("r/app", "2.0", TWO)
    both = Action.READ | Action.DEPLOY
    mine = node.grant("mine", "r", "app/1.0/**")
    node.grant("mine", "t", rights=both)
    for content, status in ((ONE, 201), (BIG, 201), (TWO, 202), (b"nowhere", 202)):
        url = f"/v2/t/new/blobs/uploads/?mount={sha256(content)}{stated}"
        assert (await node.ask("POST", url, caller=mine)).status == status
    assert (await node.ask("GET", f"/v2/t/new/blobs/{sha256(BIG)}", caller=mine)).body == BIG
    assert (await node.ask("GET", f"/v2/t/new/blobs/{sha256(TWO)}", caller=mine)).status == 404
    assert (await node.put("t/new", "1.0", manifest(ONE, BIG), caller=mine)).status == 201


async def test_a_mount_without_a_source_looks_at_some_paths_of_each_image_and_one_with_a_source_at_all(
    node: Node,
) -> None:
    await node.create("t")
    await node.upload("r/app", ONE)
    for n in range(30):
        await node.put("r/app", f"v{n:02}", manifest(ONE))
    mine = node.grant("mine", "r", "app/v29/**")
    node.grant("mine", "t", rights=Action.READ | Action.DEPLOY)
    url = f"/v2/t/new/blobs/uploads/?mount={sha256(ONE)}"
    assert (await node.ask("POST", url, caller=mine)).status == 202
    assert (await node.ask("POST", f"{url}&from=r/app", caller=mine)).status == 201


async def test_pages_of_the_catalog_go_over_repositories_in_byte_order(node: Node) -> None:
    expected = []
    for key in ("a", "a-b", "b"):
        await node.create(key)
        for name in ("x", "y/z", "y"):
            await node.push(f"{key}/{name}", "1", ONE)
            await node.push(f"{key}/{name}", "2", ONE)
            expected.append(f"{key}/{name}")
    for n in (1, 2, 4, 9, 100):
        found: list[str] = []
        url: str | None = f"/v2/_catalog?n={n}"
        while url:
            answer = await node.ask("GET", url)
            page = answer.json["repositories"]
            assert isinstance(page, list)
            assert len(page) <= n
            found += page
            url = _next(answer.headers)
        assert found == sorted(expected), n
    assert await listed(node, "/v2/_catalog?n=0") == []


async def test_the_catalog_of_a_virtual_repository_names_each_image_of_its_members_once(node: Node) -> None:
    for key, names in (("va", "bcd"), ("vb", "ab")):
        await node.create(key)
        for name in names:
            await node.push(f"{key}/{name}", "1", ONE)
    await node.create("v", "virtual", repositories=["va", "vb"])
    assert await listed(node, "/v2/_catalog", repo="v") == ["a", "b", "c", "d"]
    for n in (1, 2, 3, 4):
        found: list[str] = []
        url: str | None = f"/v2/_catalog?n={n}"
        while url:
            answer = await node.ask("GET", url, repo="v")
            page = answer.json["repositories"]
            assert isinstance(page, list)
            assert len(page) <= n
            found += page
            url = _next(answer.headers)
        assert found == ["a", "b", "c", "d"], n


async def test_pages_of_tags_leave_nothing_out(node: Node) -> None:
    await node.upload("r/app", ONE)
    names = sorted(f"v{n}" for n in range(11))
    for name in names:
        await node.put("r/app", name, manifest(ONE))
    reader = node.grant("reader", "r", "app/v1*/**")
    for caller, expected in ((None, names), (reader, [name for name in names if name.startswith("v1")])):
        found: list[str] = []
        url: str | None = "/v2/r/app/tags/list?n=2"
        while url:
            answer = await (node.ask("GET", url) if caller is None else node.ask("GET", url, caller=caller))
            page = answer.json["tags"]
            assert isinstance(page, list)
            found += page
            url = _next(answer.headers)
        assert found == expected


async def test_a_virtual_repository_reads_its_members_in_order_and_writes_to_one(node: Node) -> None:
    await node.create("a")
    await node.create("b")
    await node.create("v", "virtual", repositories=["a", "b"], defaultDeploymentRepo="b")
    first, second = await node.push("a/app", "1.0", ONE, note="a"), await node.push("b/app", "1.0", TWO, note="b")
    await node.push("b/app", "2.0", TWO)
    assert (await node.ask("GET", "/v2/v/app/manifests/1.0")).body == first
    assert (await node.ask("GET", f"/v2/v/app/manifests/{sha256(second)}")).body == second
    assert await listed(node, "/v2/v/app/tags/list") == ["1.0", "2.0"]
    await node.push("v/app", "3.0", BIG)
    assert await listed(node, "/v2/b/app/tags/list") == ["1.0", "2.0", "3.0"]
    assert await listed(node, "/v2/a/app/tags/list") == ["1.0"]


async def test_a_virtual_repository_gives_no_rights_of_its_own(node: Node) -> None:
    await node.create("a")
    await node.create("b")
    await node.create("v", "virtual", repositories=["a", "b"])
    await node.push("a/app", "1.0", ONE)
    body = await node.push("b/app", "1.0", TWO)
    reader = node.grant("reader", "b")
    assert (await node.ask("GET", "/v2/v/app/manifests/1.0", caller=reader)).body == body
    assert (await node.ask("GET", f"/v2/v/app/blobs/{sha256(ONE)}", caller=reader)).status == 404
    assert (await node.ask("POST", "/v2/v/app/blobs/uploads/")).status == 405


def _next(headers: dict[str, str]) -> str | None:
    found = headers.get("link")
    if found is None:
        return None
    parts = urlsplit(found.partition(">")[0].removeprefix("<"))
    return f"{parts.path}?{parts.query}"
