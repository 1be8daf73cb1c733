"""Projects with a quota, and what fills them."""

import hashlib

import httpx

PROJECTS = "/access/api/v1/projects"
GIB = 1 << 30
LARGE = bytes(64 << 20)
KNOWN = {"x-checksum-deploy": "true", "x-checksum-sha1": hashlib.sha1(LARGE, usedforsecurity=False).hexdigest()}


async def project(http: httpx.AsyncClient, name: str, *keys: str, gib: int = 1) -> dict[str, object]:
    """Make a project of some repositories that may hold some gibibytes; return its fields."""
    fields: dict[str, object] = {"project_key": name, "display_name": name.title(), "storage_quota_bytes": gib * GIB}
    assert (await http.post(PROJECTS, json=fields)).status_code == 201
    for key in keys:
        assert (await http.put(f"{PROJECTS}/_/attach/repositories/{key}/{name}?force=true")).status_code == 204
    return fields


async def fill(http: httpx.AsyncClient, repo: str) -> None:
    """Deploy a gibibyte."""
    assert (await http.put(f"/artifactory/{repo}/0", content=LARGE)).status_code == 201
    for number in range(1, 16):
        assert (await http.put(f"/artifactory/{repo}/{number}", headers=KNOWN)).status_code == 201
