"""Every operation of the API document, asked with what the document allows and with what it does not.

The document leaves nothing out, and nothing of it is left out here. What it allows is taken, but for what no
document can say (`BEYOND_A_DOCUMENT`); what it does not allow is refused; what is refused stores nothing;
each answer is one that the document tells of; and nothing is answered with a 5xx.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from urllib3 import HTTPResponse

from service.api.answering.cursors import encode
from service.api.answering.paging import CONVERSATIONS, position_as_cursor
from service.api.search import KIND
from service.postgres.embedded import EmbeddedPostgres
from service.settings.settings import Settings
from service.worker.app import create_app
from tests.conftest import PROFILE, database
from tests.service.api.calling import SECRET, as_user, bearer, key
from tests.service.api.operations import ENDLESS
from tests.service.api.recording import assistant, user
from tests.serving import serving

ANN = "ann"
LONG_RUN = PROFILE == "long"
DOCUMENT: dict[str, Any] = create_app(Settings()).openapi_schema.to_schema()


def schema(limits: bool) -> Any:
    """With a case for each limit that the document names, or only with those that are drawn."""
    config = {
        "generation": {
            "deterministic": True,
            "with-security-parameters": False,  # who proves nothing is tried in test_isolation
            "allow-extra-parameters": False,  # what nobody reads in a query is left alone, as anywhere
        },
        "phases": {"coverage": {"enabled": limits}},
        "output": {"sanitization": {"enabled": False}},
    }
    return schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(config))


FOR_A_USER, FOR_A_BACKEND = schema(limits=True), schema(limits=LONG_RUN)


def drawn(number: int) -> settings:
    """So many for each operation, beside the document's examples and the cases for its limits."""
    return settings(max_examples=500 if LONG_RUN else number, suppress_health_check=[HealthCheck.too_slow])


BEYOND_A_DOCUMENT = {
    ("bad-cursor", None): "A cursor is one that was given, for the list and the user that it was given for.",
    ("bad-last-event-id", None): "A place in a stream is one that was heard.",
    ("bad-request", "after"): "Either before or after.",
    ("bad-request", "from"): "How far from now, or from another time, a time may be.",
    ("empty", "content"): "A message of the assistant's may be empty, a user's may not.",
    ("item-contradicted", None): "Two values that must be the same.",
    ("item-unfit", None): "What an item is, its type says.",
    ("metadata-too-deep", None): "How deep an object is.",
    ("out-of-range", "item"): "How large a number in any object is.",
    ("out-of-range", "items"): "The same.",
    ("out-of-range", "messages"): "The same.",
    ("out-of-range", "metadata"): "The same.",
    ("not-in-list", None): "An entry of a list is one that was given.",
    ("not-a-message", None): "What a request of ChatKit's is, its own package says.",
    ("user-not-named", None): "A name is one of a user's, whom the caller has to say; an id needs none.",
    ("users-differ", None): "Two values that must be the same.",
    ("versions-differ", None): "Two values that must be the same.",
}
"""Why what a document allows may be refused all the same: by type and field, with what it cannot say."""

INSIDE = re.compile(r"[.\[]")
"""Where the name of a field goes on to what is inside of it: `messages[2].item`."""


class Session(requests.Session):
    """Of a stream that never ends it hears the first event."""

    def send(self, request: Any, **given: Any) -> requests.Response:
        answer = super().send(request, **given | {"stream": True})
        if urlsplit(answer.url).path in ENDLESS and answer.ok and request.method == "GET":
            heard = first_event(answer)
            answer.close()
            answer.raw = HTTPResponse(BytesIO(heard), answer.headers, preload_content=False)
        return answer


def first_event(answer: requests.Response) -> bytes:
    heard = b""
    for line in answer.iter_lines():
        heard += line + b"\n"
        if heard.endswith(b"\n\n"):
            break
    return heard


class Service:
    """The service, what it has stored, and who asks it."""

    def __init__(self, url: str, dsn: str, headers: dict[str, str], is_trusted: bool) -> None:
        self.url = url
        self.headers = headers
        self.is_trusted = is_trusted
        self.session = Session()
        self._client = httpx.Client(base_url=url, headers=as_user(ANN))
        self._database = psycopg.connect(dsn, autocommit=True)

    def close(self) -> None:
        self.session.close()
        self._client.close()
        self._database.close()

    def stored(self) -> object:
        counts = "SELECT (SELECT count(*) FROM hansard.events), (SELECT count(*) FROM hansard.drafts)"
        return self._database.execute(counts).fetchone()

    def conversation(self) -> str:
        body = {"title": "T", "links": [], "messages": [user("How tall is it?"), assistant("330 metres.")]}
        made = self._client.post("/api/conversations", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])


@pytest.fixture(scope="module")
def started(
    postgres: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("fuzzed")
    flags = ("--auth", "token")
    with (
        database(postgres, template) as dsn,
        serving(
            *flags, "--dsn", dsn, data=folder, output=folder / "output", HANSARD_JWT_SECRET=SECRET
        ) as service,
    ):
        yield service.url, dsn


@pytest.fixture(scope="module")
def for_a_user(started: tuple[str, str]) -> Iterator[Service]:
    service = Service(*started, as_user(ANN), is_trusted=False)
    yield service
    service.close()


@pytest.fixture(scope="module")
def for_a_backend(started: tuple[str, str]) -> Iterator[Service]:
    service = Service(*started, bearer(key(started[1], scope="admin")), is_trusted=True)
    yield service
    service.close()


@FOR_A_USER.parametrize()  # type: ignore[untyped-decorator]
@drawn(4)
def test_a_user_is_answered_as_the_document_says(case: Case[Any], for_a_user: Service) -> None:
    ask(for_a_user, case)


@FOR_A_BACKEND.parametrize()  # type: ignore[untyped-decorator]
@drawn(6)
def test_a_backend_is_answered_as_the_document_says(case: Case[Any], for_a_backend: Service) -> None:
    ask(for_a_backend, case)


def ask(service: Service, case: Case[Any]) -> None:
    allowed = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if allowed:
        make_sense(service, case)
    before = service.stored()
    answer = case.call(base_url=service.url, session=service.session, headers=service.headers)
    if answer.status_code >= 400:
        assert service.stored() == before
    case.validate_response(answer, checks=checks_of(answer), headers=service.headers)
    if allowed and answer.status_code in (400, 413, 415):
        kind, field = told_of(answer)
        assert BEYOND_A_DOCUMENT.keys() & {(kind, None), (kind, INSIDE.split(field)[0])}, answer.json()


def told_of(answer: Response) -> tuple[str, str]:
    """Which refusal it is, and of which field: below /v1 in the shape of OpenAI's."""
    told = answer.json()
    if "error" in told:
        return told["error"]["code"].replace("_", "-"), told["error"]["param"] or ""
    return told["type"], told.get("field", "")


def checks_of(answer: Response) -> list[Any]:
    load_all_checks()
    left_out = {
        "positive_data_acceptance",  # ask says more exactly what may be refused
        "ignored_auth",  # it asks again without a token, which test_isolation does for every operation
    }
    if answer.headers.get("content-type", [""])[0].startswith("text/event-stream"):
        # The document's schema is that of the whole stream, and the check tries it on each event of it.
        left_out.add("response_schema_conformance")
        if urlsplit(answer.request.url).path == "/support/chatkit":
            # ChatKit answers with either, and the framework tells of one content type for each status.
            left_out.add("content_type_conformance")
    return [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in left_out]


def make_sense(service: Service, case: Case[Any]) -> None:
    """Puts in the place of made up values, most of the time, such as can be found: a conversation that there
    is, a place in a list, one and the same user everywhere."""
    body = case.body if isinstance(case.body, dict) else {}
    places = [case.path_parameters, body, case.query, case.headers]
    who = name_one_user(service, places)
    for place in places:
        for name in list(place):
            replace(service, case, place, name, who)


def name_one_user(service: Service, places: list[Any]) -> str:
    named = [(place, name) for place in places for name in ("user_id", "X-User-Id") if place.get(name)]
    of_one = any(place.get(name) for place in places for name in ("session_id", "conversation_id"))
    if of_one or not service.is_trusted:
        for place, name in named:
            place[name] = ANN
        return ANN
    if not named:
        named.append((places[-1], "X-User-Id"))
        places[-1]["X-User-Id"] = ANN
    for place, name in named[1:]:
        del place[name]
    return str(named[0][0][named[0][1]])


def replace(service: Service, case: Case[Any], place: Any, name: str, who: str) -> None:
    value, dice = place[name], sum(str(place[name]).encode()) % 4
    if name in ("session_id", "conversation_id"):
        if dice and value is not None:
            place[name] = service.conversation()
    elif name in ("If-Match", "expected_version"):
        if dice:
            del place[name]
    elif name in ("cursor", "before", "after"):
        if dice == 1 or (dice and case.operation.path.startswith("/v1/")):
            del place[name]
        elif dice:
            place[name] = cursor(case, name, who, dice)


def cursor(case: Case[Any], name: str, who: str, position: int) -> str:
    if name != "cursor":
        return position_as_cursor(who, position)
    if case.operation.path.startswith("/api/search"):
        return encode(KIND, who, (0.5, position))
    return encode(CONVERSATIONS, who, (position,))
