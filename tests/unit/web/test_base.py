"""What a request says about the host that it was sent to, and whom that is believed of."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from pathlib import Path

import httpx
import pytest

from entrepot.web.base import Doors, unmapped
from tests.served import prepared, served, settings_of
from tests.world import Given

PROXY, CLIENT = "10.0.0.1", "192.0.2.7"
DOORS = Doors(trusted=(ipaddress.ip_network("10.0.0.0/8"),))


def forwarded(**fields: str) -> Given:
    return Given({f"x-forwarded-{name}": value for name, value in fields.items()} | {"host": "inside:8081"})


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        (forwarded(host="art.example"), "art.example"),
        (forwarded(host="art.example:8443"), "art.example:8443"),
        (forwarded(host="art.example", port="8443"), "art.example:8443"),
        (forwarded(host="art.example, other.example", port="8443, 80"), "art.example:8443"),
        (forwarded(host="art.example:8443", port="443"), "art.example:8443"),
        (forwarded(host="art.example", port="443", proto="https"), "art.example"),
        (forwarded(host="art.example:80"), "art.example"),
        (forwarded(host="[2001:db8::1]", port="8443"), "[2001:db8::1]:8443"),
        (forwarded(host="art.example", port="80", proto="https"), "art.example"),
        (forwarded(host="art.example", port="443"), "art.example"),
        (forwarded(host="art.example:80", proto="https"), "art.example:80"),
        (Given({"host": "art.example", "x-forwarded-port": "8443"}), ""),
        (Given({"host": "art.example", "x-forwarded-port": "80", "x-forwarded-proto": "https"}), ""),
        (forwarded(proto="https"), ""),
        (forwarded(host="a/b"), ""),
        (forwarded(host="a@b", port="80"), ""),
        (forwarded(host='a"b'), ""),
        (forwarded(host="art.example", port="99999"), "art.example"),
        (forwarded(host="art.example", port="\u0664"), "art.example"),
    ],
)
def test_a_trusted_proxy_says_which_host_its_client_asked_for(headers: Given, host: str) -> None:
    assert DOORS.host(headers, "http", PROXY) == host
    assert DOORS.host(headers, "http", CLIENT) == ""
    assert Doors().host(headers, "http", PROXY) == ""


@pytest.mark.parametrize("proto", ["https", "https, http", "HTTPS ,http"])
def test_the_scheme_is_that_of_the_proxy_which_the_client_spoke_to(proto: str) -> None:
    headers = Given({"host": "art.example", "x-forwarded-proto": proto})
    assert DOORS.base(headers, "http", PROXY) == "https://art.example"
    assert DOORS.base(headers, "http", CLIENT) == "http://art.example"


@pytest.mark.parametrize(
    ("override", "base"),
    [
        ("https://art.example/artifactory/", "https://art.example"),
        ("http://[2001:db8::1]:8081/art", "http://[2001:db8::1]:8081/art"),
        ("http://", "http://inside"),
        ("https:///artifactory", "http://inside"),
        ("http://:8081", "http://inside"),
        ("http://\t", "http://inside"),
        ("ftp://art.example", "http://inside"),
    ],
)
def test_a_base_url_that_a_proxy_states_counts_if_it_has_a_host(override: str, base: str) -> None:
    headers = Given({"host": "inside", "x-jfrog-override-base-url": override})
    assert DOORS.base(headers, "http", PROXY) == base
    assert DOORS.base(headers, "http", CLIENT) == "http://inside"


@pytest.mark.parametrize(
    ("peer", "known"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("::ffff:a00:1", "::ffff:a00:1"),
        ("", ""),
    ],
)
def test_an_address_of_ipv4_is_one_whatever_the_listener(peer: str, known: str) -> None:
    assert unmapped(peer) == known


def test_a_hop_is_an_address_of_ipv4_however_it_is_written() -> None:
    hops = Given({"x-forwarded-for": f"{CLIENT}, ::ffff:10.0.0.2"})
    assert DOORS.address(hops, PROXY) == CLIENT


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(("trusted", "believed"), [("127.0.0.1", True), ("192.0.2.1", False)])
async def test_challenges_and_sub_domains_follow_the_host_that_a_trusted_proxy_names(
    tmp_path: Path, trusted: str, believed: bool, peer: str
) -> None:
    flags = {"trusted.proxies": trusted, "docker.subdomain": "art.example"}
    settings = await asyncio.to_thread(prepared, settings_of(tmp_path / "home", **flags))
    headers = {
        "x-forwarded-host": "docker-local.art.example", "x-forwarded-port": "8443", "x-forwarded-proto": "https",
    }  # fmt: skip
    async with served(settings) as client:
        assert isinstance(client._transport, httpx.ASGITransport)
        client._transport.client = (peer, 40_000)
        refused = await client.get("/v2/", headers=headers, auth=None)
        realm = re.search('realm="([^"]*)"', refused.headers["www-authenticate"])
        assert realm is not None
        base = "https://docker-local.art.example:8443" if believed else "http://entrepot.test"
        assert realm[1] == f"{base}/v2/token"
        # Which image it is tells whether the sub-domain named a repository.
        assert (await client.post("/v2/app/blobs/uploads/", headers=headers)).status_code == (202 if believed else 404)
