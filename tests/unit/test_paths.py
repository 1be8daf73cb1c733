"""Paths and keys: what is taken as it is, and what is refused."""

from __future__ import annotations

import pytest

from entrepot.paths import PathInvalid, RepoKey, RepoKeyInvalid, RepoPath, path_fault


class TestRepoPath:
    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            ("app/1.0/manifest.json", "app/1.0/manifest.json"),
            ("a%20b/c%2Bd", "a b/c+d"),
            ("a+b", "a+b"),
            ("lib%2Fapp%2fx", "lib/app/x"),
            ("//a///b", "a/b"),
            ("%2F%2fa", "a"),
            ("sha256:ab/x@y;z=1", "sha256:ab/x@y;z=1"),
            ("%C3%BC/ü", "ü/ü"),
            ("u%CC%88", "u\u0308"),
            ("%252e%252e", "%2e%2e"),
            ("...", "..."),
            (".git/..x", ".git/..x"),
            ("A/a", "A/a"),
        ],
    )
    def test_an_address_is_decoded_exactly_once_and_otherwise_kept(self, raw: str, text: str) -> None:
        assert RepoPath.parse(raw).text == text
        assert str(RepoPath.parse(raw)) == text

    @pytest.mark.parametrize(
        "raw",
        [
            "a/../b", "..", ".", "a/.", "./a", "a/%2e%2e/b", "%2E", "a%2F..%2Fb", "a\\b", "%5c", "a%00b", "%1f", "%7F",
            "%C2%80", "\x01", "a\nb", "%", "a%", "%2", "%zz", "%u0041", "%FF", "%C3", "%ED%A0%80", "%C0%AE%C0%AE",
            "\udcff", "a/\ud800",
        ],
    )  # fmt: skip
    def test_what_could_be_read_as_something_else_is_refused(self, raw: str) -> None:
        with pytest.raises(PathInvalid) as raised:
            RepoPath.parse(raw)
        assert raised.value.status == 400
        assert "The path is not valid: " in raised.value.message

    @pytest.mark.parametrize("text", ["/a", "a/", "a//b", "a/./b", "x\x00", "\udc80"])
    def test_it_cannot_be_built_invalid_from_text_either(self, text: str) -> None:
        with pytest.raises(PathInvalid):
            RepoPath(text)

    def test_a_segment_has_255_bytes_and_a_path_2000(self) -> None:
        assert RepoPath("é" * 127 + "x").text
        with pytest.raises(PathInvalid, match="255"):
            RepoPath("é" * 128)
        longest = "/".join(["a" * 249] * 8)
        assert len(longest) == 1999
        assert RepoPath(longest + "b").depth == 8
        with pytest.raises(PathInvalid, match="2000"):
            RepoPath(longest + "bb")

    def test_a_path_has_400_segments(self) -> None:
        assert RepoPath.parse("d/" * 399 + "f").depth == 400
        with pytest.raises(PathInvalid, match="400 segments"):
            RepoPath.parse("d/" * 400 + "f")

    def test_an_address_that_can_only_be_too_long_is_not_even_decoded(self) -> None:
        assert RepoPath.parse("/" * 7997 + "%41").text == "A"
        with pytest.raises(PathInvalid, match="2000"):
            RepoPath.parse("/" * 7998 + "%41")

    @pytest.mark.parametrize(
        ("raw", "folder"), [("", True), ("/", True), ("a/", True), ("a%2F", True), ("a", False), ("a/b", False)]
    )
    def test_a_slash_at_the_end_is_remembered_and_the_root_is_a_folder(self, raw: str, folder: bool) -> None:
        assert RepoPath.parse(raw).is_folder is folder

    def test_a_slash_at_the_end_makes_no_other_place(self) -> None:
        assert RepoPath.parse("a/") == RepoPath.parse("a")
        assert len({RepoPath.parse("a/"), RepoPath.parse("a")}) == 1

    @pytest.mark.parametrize(
        ("text", "split", "depth", "name"),
        [("", (".", ""), 0, ""), ("a", (".", "a"), 1, "a"), ("a/b/c", ("a/b", "c"), 3, "c")],
    )
    def test_it_splits_as_the_rows_of_the_tree_are_kept(
        self, text: str, split: tuple[str, str], depth: int, name: str
    ) -> None:
        path = RepoPath(text)
        assert (path.split(), path.depth, path.name) == (split, depth, name)

    def test_paths_are_ordered_by_their_text(self) -> None:
        assert sorted([RepoPath("b"), RepoPath("B"), RepoPath("a")]) == [RepoPath("B"), RepoPath("a"), RepoPath("b")]


class TestRepoKey:
    @pytest.mark.parametrize("text", ["docker-local", "a", "_x", "Généric.1", "a" * 64, "auto-trashcan"])
    def test_xml_names_are_keys(self, text: str) -> None:
        assert str(RepoKey(text)) == text

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "blank"), (" \t", "blank"), ("a" * 65, "at most 64"), (".", "must not be '.'"), ("..", "must not be"),
            ("&", "must not be '&'"), ("a/b", "none of"), ("a\\b", "none of"), ("a:b", "none of"), ("a|b", "none of"),
            ("a?b", "none of"), ("a*b", "none of"), ('a"b', "none of"), ("a<b", "none of"), ("a>b", "none of"),
            ("1a", "must begin"), ("-a", "must begin"), ("a b", "must begin"), ("a%2f", "must begin"),
            ("a\x00", "must begin"), ("a\n", "must begin"), ("\ud800", "must begin"), ("{a}", "must begin"),
        ],
    )  # fmt: skip
    def test_every_other_name_is_refused_with_a_sentence(self, text: str, sentence: str) -> None:
        with pytest.raises(RepoKeyInvalid, match=r"^The repository key is not valid: ") as raised:
            RepoKey(text)
        assert sentence in raised.value.message
        assert raised.value.status == 400

    @pytest.mark.parametrize("text", ["api", "API", "v2", "favicon.ico", "auto-trashcan", "jfrog-x", "release-bundles"])
    def test_no_new_repository_takes_a_reserved_name(self, text: str) -> None:
        with pytest.raises(RepoKeyInvalid, match=f"'{text}' is a reserved name"):
            RepoKey(text).check_new("local")

    def test_only_a_build_info_repository_is_called_so(self) -> None:
        key = RepoKey("artifactory-build-info")
        key.check_new("local", "BuildInfo")
        with pytest.raises(RepoKeyInvalid):
            key.check_new("local", "docker")

    def test_the_key_of_a_remote_leaves_room_for_its_cache(self) -> None:
        RepoKey("a" * 58).check_new("remote")
        RepoKey("a" * 64).check_new("local")
        with pytest.raises(RepoKeyInvalid, match="at most 58"):
            RepoKey("a" * 59).check_new("remote")

    def test_keys_that_differ_in_case_alone_fold_alike(self) -> None:
        assert RepoKey("Docker-Local").folded == RepoKey("docker-local").folded
        assert RepoKey("Docker-Local") != RepoKey("docker-local")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("", None),
        ("a/b", None),
        ("a/" * 1000 + "a", "'" + "a/" * 100 + "' is not valid: it is longer than 2000 bytes."),
        ("a/" + "b" * 256, "'a/" + "b" * 198 + "' is not valid: a segment is longer than 255 bytes."),
    ],
)
def test_what_is_put_together_of_valid_paths_may_be_none_and_that_is_told_with_its_beginning(
    path: str, fault: str | None
) -> None:
    assert path_fault(path) == fault
