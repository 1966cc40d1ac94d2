"""Every operation of the API document, and how to ask for it with ids of one's choice."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from service.settings.settings import Settings
from service.worker.app import create_app

OPEN = {"/health/live", "/health/ready"}
ENDLESS = {"/api/changes"}
"""What is listened to for as long as one likes; its own tests tell whose it is."""
NOT_FOR_USERS = {
    "/metrics",
    "/api/audit/events",
    "/api/audit/reads",
    "/api/audit/conversations/{conversation_id}/verify",
    "/api/admin/status",
    "/api/admin/usage",
    "/api/admin/activity",
    "/api/admin/replays",
    "/api/admin/replays/{replay_id}",
    "/api/admin/replays/{replay_id}/stream",
}
MADE_UP: dict[str, Any] = {
    "q": "words",
    "limit": 5,
    "role": "user",
    "active_only": "false",
    "as_given": "false",
    "receipt_id": "0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f",
    "reason": "asked",
    "minutes": 5,
    "include": "items",
    "replay_id": "0199a3c5-7d2e-7c41-9a63-5f0e1b2c3d4f",
}
"""Parameters that name nothing of anybody's."""
LEFT_OUT = {
    "before",
    "after",
    "after_user",
    "cursor",
    "from",
    "to",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-User-Id",
    "X-Opportunity-Id",
    "user_id",
    "at",
    "topic",
    "actor",
    "order",
    "include[]",
}
"""Parameters that are given on purpose or not at all."""


class Operation(Struct, frozen=True):
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    properties: frozenset[str]
    example: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def takes(self, name: str) -> bool:
        return name in self.properties or any(name == each for each, _ in self.parameters)

    @property
    def names_one(self) -> bool:
        """Whether it is asked for one conversation."""
        return self.takes("session_id") or self.takes("conversation_id")

    def asked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What to hand to a client: with these values wherever it takes them."""
        path, query, headers = self.path, dict[str, Any](), dict[str, str]()
        for name, place in self.parameters:
            if name in LEFT_OUT and name not in values:
                continue
            if name == "Last-Event-ID" and not self.names_one:
                continue  # it is the place in another stream
            value = values[name] if name in values else MADE_UP[name]
            if place == "path":
                path = path.replace(f"{{{name}}}", str(value))
            elif place == "query":
                query[name] = value
            else:
                headers[name] = str(value)
        request: dict[str, Any] = {"method": self.method, "url": path, "params": query, "headers": headers}
        if self.example is not None:
            body = {name: value for name, value in self.example.items() if name != "expected_version"}
            request["json"] = body | {name: values[name] for name in self.properties if name in values}
        return request


def operations() -> Iterator[Operation]:
    document = create_app(Settings()).openapi_schema.to_schema()
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            parameters = tuple((each["name"], each["in"]) for each in told.get("parameters") or ())
            body = (
                (told.get("requestBody") or {}).get("content", {}).get("application/json", {}).get("schema")
            )
            yield Operation(
                method.upper(),
                path,
                parameters,
                frozenset(properties(body, schemas)) if body else frozenset(),
                body["examples"][0] if body else None,
            )


def properties(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield from properties(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from properties(part, schemas)
    yield from schema.get("properties", ())
    if schema.get("additionalProperties") == {}:
        yield from ("conversation_id", "user_id")  # a body of any shape, which says what it is by its fields


OPERATIONS = tuple(operations())
FOR_SOMEBODY = tuple(each for each in OPERATIONS if each.path not in OPEN)
FOR_USERS = tuple(each for each in FOR_SOMEBODY if each.path not in NOT_FOR_USERS)
ANSWERED = tuple(each for each in FOR_USERS if each.path not in ENDLESS)
