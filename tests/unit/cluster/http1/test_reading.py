"""The reader alone: however the bytes are cut, the same requests; whatever the bytes are, requests or a refusal."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrepot.cluster.http1.reading import Head, Reader, Refused

MOST = 4096


class Heard:
    """What the reader told, in order; pieces of one body together."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self._open = False

    def begun(self) -> None:
        assert not self._open

    def requested(self, head: Head) -> None:
        assert not self._open
        self._open = True
        self.told += [(head.method, head.path, head.query, tuple(head.headers), head.length, head.keep), b""]

    def piece(self, piece: bytes) -> None:
        assert self._open
        body = self.told[-1]
        assert isinstance(body, bytes)
        self.told[-1] = body + piece

    def ended(self, *, keep: bool) -> None:
        assert self._open
        self._open = False


def heard(*pieces: bytes) -> tuple[list[object], int]:
    """Return what was told of these pieces, and the status of the refusal that ended it; 0: none."""
    receiver = Heard()
    reader = Reader(receiver, MOST)
    for piece in pieces:
        try:
            reader.feed(piece)
        except Refused as refused:
            return receiver.told, refused.status
    return receiver.told, 0


names = st.sampled_from(["Accept", "X-Name", "Expect", "Cookie", "Upgrade", "Authorization"])
fields = st.lists(
    st.tuples(names, st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)), max_size=6
)
bodies = st.binary(max_size=300)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    lines = [
        f"{draw(st.sampled_from(['GET', 'PUT', 'DELETE']))} /{draw(st.sampled_from(['', 'a', 'a%2Fb?c=d']))} HTTP/1.1"
    ]
    lines += ["Host: here", *(f"{name}: {value}" for name, value in draw(fields))]
    if draw(st.booleans()):
        lines += ["Connection: Upgrade", "Upgrade: h2c"]
    body = draw(bodies)
    match draw(st.sampled_from(["none", "length", "chunks"])):
        case "none":
            return ("\r\n".join(lines) + "\r\n\r\n").encode()
        case "length":
            return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n").encode() + body
    size = draw(st.integers(1, 100))
    chunks = [body[place : place + size] for place in range(0, len(body), size)]
    framed = b"".join(b"%x;e=f\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    trailer = draw(st.sampled_from([b"", b"Host: there\r\n", b"Authorization: b\r\n"]))
    return (
        ("\r\n".join([*lines, "Transfer-Encoding: chunked"]) + "\r\n\r\n").encode()
        + framed
        + b"0\r\n"
        + trailer
        + b"\r\n"
    )


@st.composite
def cut(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    stream = draw(streams)
    places = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:stop] for start, stop in zip([0, *places], [*places, len(stream)], strict=True)]


streams = st.lists(requests(), min_size=1, max_size=4).map(b"".join)


@given(cut(streams))
def test_the_same_requests_are_read_however_the_network_cuts_them(pieces: list[bytes]) -> None:
    whole = heard(b"".join(pieces))
    assert whole[1] == 0
    assert heard(*pieces) == whole


@given(streams)
def test_a_stream_of_single_bytes_is_read_like_a_whole_one(stream: bytes) -> None:
    assert heard(*[stream[place : place + 1] for place in range(len(stream))]) == heard(stream)


@given(cut(st.just("\r\n\r\nGET /grü/ß?ä HTTP/1.1\r\nHost: here\r\nX-Name: café\r\n\r\n".encode())))
def test_a_path_as_people_type_it_is_read_however_the_network_cuts_it(pieces: list[bytes]) -> None:
    fields = ((b"host", b"here"), (b"x-name", "café".encode()))
    assert heard(*pieces) == ([("GET", b"/gr%C3%BC/%C3%9F", b"%C3%A4", fields, 0, True), b""], 0)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    stream = bytearray(draw(streams))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(stream)))
        stream[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(stream)


@given(cut(st.one_of(spoilt(), st.binary(max_size=400))))
@example([b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: a\r\nConnection: upgrade\r\nContent-Length: 1\r\n\r\n"])
def test_whatever_arrives_is_requests_or_a_refusal(pieces: list[bytes]) -> None:
    told, status = heard(*pieces)
    assert status in {0, 400, 413, 431, 501, 505}
    for head in told[::2]:
        assert isinstance(head, tuple)
        assert sum(name == b"host" for name, _ in head[3]) == 1 or status or b"1.0" in b"".join(pieces)


@given(st.integers(0, 3), st.integers(1, 3000))
def test_a_head_is_bounded_wherever_it_grows(kind: int, step: int) -> None:
    begin, more = [
        (b"GET /", b"a"),
        (b"GET / HTTP/1.1\r\nHost: here\r\nX: ", b"a"),
        (b"GET / HTTP/1.1\r\nHost: here\r\n", b"A: b\r\n"),
        (b"GET / HTTP/1.1\r\nHost: here\r\n", b"a"),
    ][kind]
    rest = more * (12_000 // len(more))
    assert heard(begin, *[rest[place : place + step] for place in range(0, len(rest), step)])[1] == 431


def test_a_field_is_what_was_sent_wherever_a_segment_ends() -> None:
    line, fields = b"GET /\xc3\xbc HTTP/1.1", b"\r\nX-Name: M\xc3\xbcller\r\nHost: here\r\n\r\n"
    whole = heard(line + fields)
    assert whole[0][0] == (
        "GET", b"/%C3%BC", b"", ((b"x-name", b"M\xc3\xbcller"), (b"host", b"here")), 0, True
    )  # fmt: skip
    for cut in range(len(line) - 3, len(line + fields)):
        assert heard((line + fields)[:cut], (line + fields)[cut:]) == whole


@pytest.mark.parametrize("line", [b"GET /a RTSP/1.0", b"OPTIONS * RTSP/1.1", b"SOURCE /a ICE/1.0"])
def test_another_protocol_is_refused_however_its_line_comes(line: bytes) -> None:
    first, head = b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nab", line + b"\r\nHost: here\r\n\r\n"
    for cut in range(len(head)):
        assert heard(head[:cut], head[cut:]) == ([], 505)
        assert heard(first + head[:cut], head[cut:])[1] == 505
    assert heard(*(bytes([one]) for one in first + head))[1] == 505


def test_words_of_another_protocol_are_a_field_like_another() -> None:
    request = b"GET /a HTTP/1.1\r\nHost: here\r\nX: /a RTSP/1.0\r\n\r\n"
    for cut in range(len(request)):
        assert heard(request[:cut], request[cut:])[1] == 0
