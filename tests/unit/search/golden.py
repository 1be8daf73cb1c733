"""The golden fixture of the AQL reference (section 16): nodes by number, builds, and what queries find.

Node 1 is the root of libs; the roots of other repositories are 0.
"""

from __future__ import annotations

import hashlib

from entrepot.metadata.database import Database, Tx
from entrepot.metadata.properties import value_hash
from entrepot.metadata.sql import sql

NODES = {
    2: ("libs", ".", "org", 0, 0), 3: ("libs", "org", "a.jar", 1, 100), 4: ("libs", "org", "b.jar", 1, 200),
    5: ("libs", "org", "c.bin", 1, 300), 6: ("libs", "org", "d_1.txt", 1, 0), 7: ("libs", ".", "dx1.txt", 1, 50),
    8: ("ext", "org", "a.jar", 1, 100), 9: ("auto-trashcan", "libs/org", "z.jar", 1, 10),
}  # fmt: skip
BLOBS = {3: "a", 4: "b", 5: "c", 6: "d", 7: "dx", 8: "a", 9: "z"}
PROPERTIES = [
    (2, "color", "blue"), (3, "license", "GPL"), (3, "version", "1.1"), (4, "license", "LGPL-2.1"), (4, "license", "GPL-3"),
    (5, "license", "MIT"), (7, "color", "red"), (7, "qa", ""),
]  # fmt: skip
STATISTICS = {4: 5, 5: 1}


def digest(name: str, word: str) -> bytes:
    return hashlib.new(name, word.encode()).digest()


async def fill(database: Database) -> None:
    await database.transact(_fill)


async def _fill(tx: Tx) -> None:
    repositories = {row[0]: row[1] for row in await tx.rows(sql("SELECT key, id FROM repository"))}
    for number, word in enumerate(sorted(set(BLOBS.values())), 1):
        await tx.execute(
            sql("""INSERT INTO blob (id, sha256, sha1, md5, size, created, keep_until)
            VALUES (:id, :sha256, :sha1, :md5, 1, 0, 9000000000000)"""),
            id=9000 + number, sha256=digest("sha256", word), sha1=digest("sha1", word), md5=digest("md5", word),
        )  # fmt: skip
    blobs = {word: 9000 + number for number, word in enumerate(sorted(set(BLOBS.values())), 1)}
    for number, (key, path, name, kind, size) in NODES.items():
        await tx.execute(
            sql("""INSERT INTO item (id, repo_id, path, name, kind, depth, size, blob_id, created, created_by,
              modified, modified_by, updated)
            VALUES (:id, :repo_id, :path, :name, :kind, :depth, :size, :blob_id, :at, 'ci', :at, 'ci', :at)"""),
            id=90000 + number, repo_id=repositories[key], path=path, name=name, kind=kind, size=size, at=number * 1000,
            depth=1 if path == "." else path.count("/") + 2, blob_id=blobs[BLOBS[number]] if number in BLOBS else None,
        )  # fmt: skip
    for number, key, value in PROPERTIES:
        await tx.execute(
            sql("INSERT INTO prop (item_id, key, value, value_hash) VALUES (:id, :key, :value, :hash)"),
            id=90000 + number, key=key, value=value, hash=value_hash(value),
        )  # fmt: skip
    for number, downloads in STATISTICS.items():
        await tx.execute(
            sql("INSERT INTO stat (item_id, downloads, last_downloaded, last_downloaded_by) VALUES (:id, :n, 5000, 'bob')"),
            id=90000 + number, n=downloads,
        )  # fmt: skip
    for build, word, kind in ((1, "a", "jar"), (2, "b", "jar")):
        await tx.execute(
            sql("""INSERT INTO build (id, repo_id, name, number, started, url, created, created_by)
            VALUES (:id, :repo_id, 'app', :number, 1000, 'http://ci', 2000, 'ci')"""),
            id=build, repo_id=repositories["artifactory-build-info"], number=str(build),
        )  # fmt: skip
        await tx.execute(
            sql("INSERT INTO build_module (id, build_id, name) VALUES (:id, :id, :name)"),
            id=build,
            name=f"g:app:{build}",
        )
        await tx.execute(
            sql("INSERT INTO build_artifact (module_id, name, type, sha1) VALUES (:id, :name, :kind, :sha1)"),
            id=build, name=f"{word}.jar", kind=kind, sha1=digest("sha1", word),
        )  # fmt: skip
    await tx.execute(
        sql("INSERT INTO build_prop (build_id, key, value, value_hash) VALUES (1, 'os', 'linux', :hash)"),
        hash=value_hash("linux"),
    )
    await tx.execute(
        sql(
            "INSERT INTO build_dependency (module_id, name, scope, type, sha1) VALUES (1, 'c.bin', 'compile', 'bin', :sha1)"
        ),
        sha1=digest("sha1", "c"),
    )
    await tx.execute(
        sql(
            """INSERT INTO build_promotion (build_id, created, created_by, status, repo, ci_user)
            VALUES (2, 3000, 'ci', 'released', 'libs', 'bob')"""
        )
    )


F = "3 4 5 6 7 8"
FOUND = [
    ("", F),
    ('{"repo":"libs"}', "3 4 5 6 7"),
    ('{"type":"any","repo":"libs"}', "1 2 3 4 5 6 7"),
    ('{"type":"folder","repo":"libs"}', "1 2"),
    ('{"repo":"libs","$or":[{"type":"folder"},{"name":"c.bin"}]}', "1 2 5"),
    ('{"type":{"$ne":"folder"}}', F),
    ('{"path":"."}', "7"),
    ('{"path":".","type":"any","repo":"libs"}', "1 2 7"),
    ('{"path":{"$ne":"."},"type":"folder"}', ""),
    ('{"name":{"$match":"d_?.txt"}}', "6"),
    ('{"name":{"$match":"d??.txt"}}', "6 7"),
    ('{"name":{"$match":"D*"}}', ""),
    ('{"name":{"$matchic":"D*"}}', "6 7"),
    ('{"name":{"$eqic":"C.BIN"}}', "5"),
    ('{"name":"d*"}', ""),
    ('{"name":{"$nmatch":"*.jar"}}', "5 6 7"),
    ('{"name":{"$gt":"b"}}', "4 5 6 7"),
    ('{"size":{"$gte":"100"},"size":{"$lt":"300"}}', "3 4 8"),
    ('{"size":100}', "3 8"),
    ('{"created":{"$gt":"6000"}}', "7 8"),
    ('{"created":{"$lte":"1970-01-01T00:00:05.000Z"}}', "3 4 5"),
    ('{"created":{"$before":"5d"}}', F),
    ('{"created":{"$last":"5d"}}', ""),
    ('{"repo":"auto-trashcan"}', "9"),
    ('{"repo":{"$match":"auto*"}}', ""),
    ('{"repo":"ext-cache"}', "8"),
    ('{"repo":"ext"}', ""),
    ('{"repo":"both"}', F),
    ('{"repo":{"$ne":"libs"}}', "8"),
    ('{"repo":"nowhere"}', ""),
    ('{"repo":"libs"},{"name":"a.jar"}', "3"),
    ('{"$or":[{"repo":"ext-cache","name":"c.bin"}]}', "5 8"),
    ('{"$or":[{"$and":[{"repo":"libs","name":"c.bin"}]},{"$and":[{"repo":"libs","name":"b.jar"}]}]}', "4 5"),
    ('{"@license":"GPL"}', "3"),
    ('{"@license":{"$match":"*GPL*"}}', "3 4"),
    ('{"@license":{"$match":"*GPL*"},"@license":{"$nmatch":"LGPL*"}}', "3"),
    ('{"$msp":[{"@license":{"$match":"*GPL*"}},{"@license":{"$nmatch":"LGPL*"}}]}', "3 4"),
    ('{"@license":{"$ne":"GPL"}}', "4 5 6 7 8"),
    ('{"@license":{"$ne":"GPL-3"}}', "3 5 6 7 8"),
    ('{"$msp":[{"@license":{"$ne":"GPL-3"}}]}', F),
    ('{"@license":"*"}', "3 4 5"),
    ('{"@license":{"$ne":"*"}}', "6 7 8"),
    ('{"@license":{"$nmatch":"*"}}', "6 7 8"),
    ('{"@lic*":"GPL"}', ""),
    ('{"@*":"red"}', "7"),
    ('{"@*":{"$match":"*GPL*"}}', "3 4"),
    ('{"@*":{"$ne":"MIT"}}', "3 4 6 7 8"),
    ('{"type":"any","@color":{"$match":"*"}}', "2 7"),
    ('{"@qa":"*"}', "7"),
    ('{"@qa":{"$ne":"x"}}', F),
    ('{"property.key":"license","property.value":"1.1"}', "3"),
    ('{"$msp":[{"property.key":"license","property.value":"1.1"}]}', ""),
    ('{"$msp":[{"artifact.module.build.@os":{"$match":"l*"}},{"artifact.module.build.@os":{"$ne":"lin"}}]}', "3 8"),
    ('{"property.key":{"$ne":"license"}}', "6 7 8"),
    ('{"property.value":{"$ne":"MIT"}}', "3 4 6 7 8"),
    ('{"$or":[{"@license":"MIT"},{"@color":"red"}]}', "5 7"),
    ('{"$or":[{"@license":{"$ne":"LGPL-2.1"}},{"@license":{"$ne":"MIT"}}]}', F),
    ('{"$and":[{"@license":"GPL"},{"@version":"1.1"}]}', "3"),
    ('{"$msp":[{"@license":"GPL"},{"@version":"1.1"}]}', ""),
    ('{"$and":[{"@license":"LGPL-2.1"},{"@license":"GPL-3"}]}', "4"),
    ('{"$msp":[{"@license":"LGPL-2.1"},{"@license":"GPL-3"}]}', ""),
    ('{"stat.downloads":{"$eq":null}}', "3 6 7 8"),
    ('{"stat.downloads":0}', ""),
    ('{"stat.downloads":{"$gt":1}}', "4"),
    ('{"stat.downloads":{"$ne":5}}', "3 5 6 7 8"),
    ('{"artifact.module.build.name":"app"}', "3 4 8"),
    ('{"artifact.module.build.name":"app","artifact.module.build.number":"2"}', "4"),
    ('{"$and":[{"artifact.module.build.name":"app"},{"artifact.module.build.number":"2"}]}', "4"),
    ('{"artifact.module.build.number":{"$ne":"1"}}', "4"),
    ('{"artifact.module.build.@os":{"$match":"lin*"}}', "3 8"),
    ('{"dependency.module.build.name":"app"}', "5"),
    ('{"$or":[{"artifact.module.build.name":"app"},{"dependency.module.build.name":"app"}]}', "3 4 5 8"),
    (f'{{"actual_sha1":"{digest("sha1", "a").hex()}"}}', "3 8"),
    (f'{{"sha256":{{"$ne":"{digest("sha256", "a").hex()}"}}}}', "4 5 6 7"),
    ('{"actual_md5":{"$match":"*"}}', F),
    ("{}", F),
    ('{"depth":1}', "7"),
]
REFUSED = [
    'items.find({"nosuch":"x"})', 'items.find({"build.name":"x"})', 'items.find({"property.item.@*":"x"})',
    'modules.find({"repo":"x"})', 'artifacts.find({"module":"x"})', 'artifacts.find({"module.type":"x"})',
    'items.find({"downloads":"1"})', 'releases.find({"release_artifact.@k":"v"})', 'items.find({"stat.downloads":{"$gt":null}})',
    'items.find({"modified":{"$last":"10Minute"}})', 'items.find({"type":"conan"})', 'items.find().include("repo3")',
    'items.find().include("name").sort({"$asc":["size"]})', 'items.find({"$and":[]})', 'items.find([{"a":"b"}])',
    'items.find({"repo":["a"]})', 'items.find({"repo":{"$eq":"a","$ne":"b"}})', 'items.find({"repo":{}})', "items.find({'repo':'a'})",
    'items.find({"repo":"a",})', 'items.find({"repo":"a"});', 'items.find({"repo":"a"}) x', 'items.find({"repo":true})',
    'items.find({"repo":Null})', "items.find() // all", 'items.find().limit("5")', "items.find().limit()", "items.find().include()",
    'items.find().include("")', "items.find().sort({})", 'items.find().sort({"$asc":[]})', 'items.find().sort({"$asc":"x"})',
    "items.find().limit(10).offset(1)", "items.find().limit(1).limit(2)", "items.find().count()", "projects.find()", "items.get()",
    'items.find({"$not":[{"repo":"a"}]})', 'items.find({"size":"1.5"})', 'items.find({"created":"x"})',
    'items.find({"@k":{"$last":"5d"}})',
    'items.find({"virtual_repos":"x"})', "archives.find()", 'Items.find({"repo":"a"})', "", "   ", 'items.find({"name":"unended})',
    'items.find({"$or":[{"$and":[{"x":"y"}]}]})', 'builds.find({"release.id":"x"})', 'items.find({"item.name":"x"})',
    'items.find().include("*").sort({"$asc":["virtual_repos"]})', 'items.find().sort({"$asc":["name","name"]})',
    'items.find().include("stat").sort({"$asc":["stat.downloads","stat.downloads"]})',
    'items.find({"$msp":[{"@license":"GPL"},{"artifact.module.build.@os":"linux"}]})',
    'items.find({"$msp":[{"property.value":"GPL","$or":[{"artifact.module.build.@os":{"$ne":"linux"}}]}]})',
    'builds.find({"name":"app"}).transitive()', "items.find().transitive()",
    'items.find({"repo":{"$match":"libs"}}).transitive()', 'items.find({"$or":[{"repo":"libs","repo":"ext"}]}).transitive()',
    'items.find({"artifact.item.repo":"libs"}).transitive()', 'items.find({"repo":"libs"}).include("stat").transitive()',
    'items.find({"repo":"libs"}).sort({"$asc":["name"]}).transitive()', 'items.find({"repo":"libs"}).offset(1).transitive()',
    "items.find(" + '{"$and":[' * 70 + '{"name":"x"}' + "]}" * 70 + ")",
]  # fmt: skip
