"""Who is let in by the server of a review and who is not: each attack, and its answer.

The table of jobs/REVIEW.md lists these.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import pytest
from reviewing import Answered, Reviewing, hostile_catalog, reviewing, said_of, tagged
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from schemas.review import Find
from tagger.datasets.sample import Sample
from tagger.review import security
from tagger.review.requests import body_of

POLICY = (
    "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
OURS = {"Content-Type": "application/json", "X-Tagger": "review"}
NOBODY = json.dumps({"wanted": {}}).encode()


@pytest.fixture(scope="module")
def world(sample: Sample, bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacked")
    catalog = hostile_catalog(sample.catalog, folder / "catalog")
    (folder / "secret.txt").write_text("a secret")
    tagged(catalog, bundle_path, folder / "index")
    return folder


@pytest.fixture(scope="module")
def page(world: Path) -> Iterator[Reviewing]:
    with reviewing(world / "index", "--as", "Anna") as running:
        yield running
        assert running.end()[1].splitlines()[:-1] == [], "an attack made a fault of ours"


@pytest.fixture
def untouched(page: Reviewing, world: Path) -> Iterator[None]:
    """Nothing that the test does changes what was said."""
    log = world / "index" / "corrections.jsonl"
    before = log.read_bytes() if log.exists() else None
    yield
    assert (log.read_bytes() if log.exists() else None) == before
    assert page.get("api/night").code == 200


def is_strict(answer: Answered) -> bool:
    """Return whether an answer has the headers that all must have, and lets nobody else read it."""
    headers = answer.headers
    return (
        headers["content-security-policy"] == POLICY
        and headers["x-content-type-options"] == "nosniff"
        and headers["x-frame-options"] == "DENY"
        and headers["referrer-policy"] == "no-referrer"
        and headers["cross-origin-resource-policy"] == "same-origin"
        and headers["cross-origin-opener-policy"] == "same-origin"
        and "cache-control" in headers
        and "server" not in headers
        and not any(name.startswith("access-control-") for name in headers)
    )


def test_every_answer_has_strict_headers_good_or_bad(page: Reviewing) -> None:
    picture = page.find(status="ok")[0]
    answers = [
        page.get(""),
        page.get("api/night"),
        page.get("nowhere"),
        page.get("page/nothing.js"),
        page.picture(picture),
        page.picture(picture, "17"),
        page.post("api/say", {}),
        page.ask("GET", "/"),
        page.ask("DELETE", f"{page.root}api/night"),
        page.ask("GET", "/", headers={"Host": "evil.example"}),
    ]
    assert all(is_strict(answer) for answer in answers)


@pytest.mark.parametrize(
    "path",
    ["/", "/api/night", "/wrong/api/night", "/favicon.ico", "//", "/%00/api/night", "/*/api/night"],
)
def test_without_the_token_there_is_nothing_but_a_word_on_the_right_address(
    page: Reviewing, path: str
) -> None:
    refused = page.ask("GET", path)
    assert refused.code == 404
    assert "Use the one that the command printed last" in refused.content.decode()


def test_a_part_of_the_token_is_not_the_token(page: Reviewing) -> None:
    token = page.root.strip("/")
    assert len(token) >= 32
    for wrong in (token[:-1], f"{token}x", token.swapcase(), f"{token}%20", f"%20{token}"):
        assert page.ask("GET", f"/{wrong}/api/night").code == 404
        assert page.ask("POST", f"/{wrong}/api/find", NOBODY, OURS).code == 404


def test_a_stale_tab_is_told_in_json_where_it_asked_for_json(page: Reviewing) -> None:
    refused = page.ask("POST", "/an-earlier-start/api/say", b"{}", OURS)
    assert refused.code == 404
    assert "Use the one that the command printed last" in refused.error


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", "0:{port}"],
)
def test_another_name_that_leads_to_this_machine_is_not_answered(
    page: Reviewing, host: str
) -> None:
    refused = page.get("api/night", Host=host.format(port=page.port))
    assert refused.code == 421
    assert b"snapshot" not in refused.content


def test_a_request_without_a_host_or_with_two_is_not_answered(page: Reviewing) -> None:
    for lines in ("", f"Host: 127.0.0.1:{page.port}\r\nHost: evil.example\r\n"):
        for version in ("1.0", "1.1"):
            answer = raw(page, f"GET {page.root}api/night HTTP/{version}\r\n{lines}\r\n".encode())
            assert answer.split(b" ")[1] in (b"400", b"421"), answer
            assert b"snapshot" not in answer


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),  # another port of this machine
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"X-Tagger": ""}, 403),
        ({"X-Tagger": "other"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "text/plain; application/json"}, 415),
    ],
)
def test_another_site_s_page_cannot_say_anything(
    page: Reviewing, headers: dict[str, str], code: int
) -> None:
    item = said_of(page.find(status="ok")[0], "red")
    body = json.dumps({"items": [item], "insist": True}).encode()
    sent = OURS | {name: value.format(port=page.port) for name, value in headers.items()}
    refused = page.ask("POST", f"{page.root}api/say", body, sent)
    assert refused.code == code
    assert "nothing was kept" in refused.error or "gets nothing" in refused.error


def test_a_form_or_a_link_of_another_site_cannot_say_anything(page: Reviewing) -> None:
    item = said_of(page.find(status="ok")[0], "red")
    body = json.dumps({"items": [item]})
    as_form = {"Content-Type": "text/plain"}
    assert page.ask("POST", f"{page.root}api/say", f"{body}=".encode(), as_form).code == 403
    assert page.get(f"api/say?{quote(body)}").code == 405


def test_another_site_s_page_cannot_embed_or_fetch_but_a_person_may_follow_a_link(
    page: Reviewing,
) -> None:
    picture = page.find(status="ok")[0]
    name = quote(picture["image_id"], safe="")
    shown = f"picture/{picture['content']}?id={name}&side=256"
    for path in ("", "api/night", shown, "page/review.js"):
        for site in ("cross-site", "same-site"):
            embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
            assert page.get(path, **embedded, **{"Sec-Fetch-Dest": "image"}).code == 403
            framed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
            assert page.get(path, **framed, **{"Sec-Fetch-Dest": "iframe"}).code == 403
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert page.get("", **followed, **{"Sec-Fetch-Dest": "document"}).code == 200


def test_a_browser_s_question_whether_another_site_may_is_answered_no(page: Reviewing) -> None:
    asked = {
        "Origin": "http://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-tagger, content-type",
        "Access-Control-Request-Private-Network": "true",
    }
    answer = page.ask("OPTIONS", f"{page.root}api/say", headers=asked)
    assert answer.code == 405
    assert is_strict(answer)


@pytest.mark.usefixtures("untouched")
def test_what_is_too_much_is_not_read(page: Reviewing) -> None:
    announced = raw(
        page,
        f"POST {page.root}api/say HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        "Content-Type: application/json\r\nX-Tagger: review\r\n"
        "Content-Length: 99999999999\r\n\r\n".encode(),
    )
    assert announced.split(b" ")[1] == b"413"
    for length in ("-1", "1e3", "0x10", "9" * 400):
        wrong = f"Content-Length: {length}\r\n\r\n"
        head = f"POST {page.root}api/say HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        said = f"{head}Content-Type: application/json\r\nX-Tagger: review\r\n{wrong}"
        assert raw(page, said.encode()).split(b" ")[1] in (b"400", b"413")


@pytest.mark.usefixtures("untouched")
def test_a_body_that_grows_without_saying_so_is_cut(page: Reviewing) -> None:
    head = (
        f"POST {page.root}api/say HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        "Content-Type: application/json\r\nX-Tagger: review\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    megabyte = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as connection:
        connection.sendall(head.encode())
        try:
            for _ in range(64):
                connection.sendall(megabyte)
        except OSError:
            pass  # it hung up, as it may
        else:
            assert connection.recv(100).split(b" ")[1] == b"413"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "GET"])
def test_other_methods_change_nothing(page: Reviewing, method: str) -> None:
    item = said_of(page.find(status="ok")[0], "red")
    body = json.dumps({"items": [item]}).encode()
    sent = OURS | {"X-HTTP-Method-Override": "POST"}
    assert page.ask(method, f"{page.root}api/say", body, sent).code in (400, 405)
    assert page.ask(method, f"{page.root}api/say?_method=POST", body, sent).code in (400, 405)


@pytest.mark.usefixtures("untouched")
def test_one_request_hidden_in_another_is_not_read(page: Reviewing) -> None:
    hidden = f"GET {page.root}api/night HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n"
    both = (
        f"POST {page.root}api/find HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        "Content-Type: application/json\r\nX-Tagger: review\r\n"
        f"Content-Length: {len(hidden)}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
    )
    assert raw(page, both.encode()).count(b"HTTP/1.1 200") == 0
    split = page.get("api/picture?id=a%0d%0aX-Injected:%20yes%0d%0a%0d%0a<script>")
    assert "x-injected" not in split.headers


def test_a_forwarded_address_or_host_is_not_believed(page: Reviewing) -> None:
    forwarded = {
        "X-Forwarded-Host": f"127.0.0.1:{page.port}",
        "X-Forwarded-For": "127.0.0.1",
        "Forwarded": f"host=127.0.0.1:{page.port}",
        "Host": "evil.example",
    }
    assert page.get("api/night", **forwarded).code == 421


def test_only_this_machine_is_listened_to(page: Reviewing) -> None:
    mine = socket.gethostbyname(socket.gethostname())
    for address in {mine, "127.0.0.2"} - {"127.0.0.1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((address, page.port), timeout=5)


def test_slow_clients_keep_nobody_waiting(page: Reviewing) -> None:
    head = f"POST {page.root}api/find HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    halves = [
        f"GET {page.root}api/ni".encode(),
        head.encode(),
        f"{head}Content-Type: application/json\r\nX-Tagger: review\r\n"
        "Content-Length: 100\r\n\r\n{".encode(),
    ]
    connections = []
    try:
        for half in halves * 30:
            connection = socket.create_connection(("127.0.0.1", page.port), timeout=30)
            connection.sendall(half)
            connections.append(connection)
        assert page.get("api/night").code == 200
        assert page.find()
    finally:
        for connection in connections:
            connection.close()


def test_slow_clients_do_not_keep_it_from_ending(world: Path) -> None:
    with reviewing(world / "index") as page:
        connection = socket.create_connection(("127.0.0.1", page.port), timeout=30)
        connection.sendall(
            f"POST {page.root}api/find HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
            "Content-Type: application/json\r\nX-Tagger: review\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        assert page.get("api/night").code == 200
        code, said = page.end()
        connection.close()
        assert (code, said) == (143, "tagger: interrupted (SIGTERM)\n")


def test_a_body_that_comes_in_drops_has_no_more_time_than_another() -> None:
    answered: list[int] = []
    drops = 40

    async def drip() -> Message:
        nonlocal drops
        drops -= 1
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": drops > 0}

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(HTTPException) as refused:
            await body_of(Request(scope, receive), Find)
        answered.append(refused.value.status_code)

    async def nobody(_: Message) -> None:
        pass

    headers = {"host": "127.0.0.1:1"} | {name.lower(): value for name, value in OURS.items()}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/token/api/find",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    with mock.patch.object(security, "_BODY_WITHIN", 0.2):
        asyncio.run(security.Gate(read, "token", 1)(scope, drip, nobody))
    assert answered == [408]
    assert drops > 0


def test_headers_without_end_are_cut(page: Reviewing) -> None:
    head = f"GET {page.root}api/night HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
    endless = f"{head}X-Long: {'a' * 200_000}\r\n\r\n"
    answered = raw(page, endless.encode())
    assert answered == b"" or answered.split(b" ")[1] in (b"400", b"431")


def raw(page: Reviewing, request: bytes) -> bytes:
    """Return what is answered to bytes, of which only some are a request."""
    with socket.create_connection(("127.0.0.1", page.port), timeout=30) as connection:
        answered = b""
        try:
            connection.sendall(request)
            while part := connection.recv(65_536):
                answered += part
        except OSError:
            pass  # it hung up in the middle of what it does not want
        return answered
