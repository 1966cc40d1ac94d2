"""A write that takes no body does nothing where one is sent: whoever sent it meant something by it."""

import pytest

from tests.service.api.calling import calling, events, problem
from tests.service.api.operations import OPERATIONS, Operation

ALICE = {"X-User-Id": "alice"}
BODILESS = [each for each in OPERATIONS if each.method not in {"GET", "HEAD"} and each.example is None]


@pytest.mark.parametrize("operation", BODILESS, ids=str)
async def test_a_write_that_takes_no_body_does_nothing_where_one_is_sent(
    dsn: str, operation: Operation
) -> None:
    """Nor does it take the user, or a reason, from it."""
    async with calling(dsn) as client:
        body = {
            "messages": [{"role": "user", "content": "Hi", "id": "m1"}],
            "links": [{"kind": "opportunity", "id": "1"}],
        }
        started = await client.post("/api/conversations", json=body, headers=ALICE)
        one = started.json()["id"]
        asked = operation.asked(
            {
                "conversation_id": one,
                "session_id": one,
                "item_id": "m1",
                "user_id": "alice",
                "opportunity_id": "1",
            }
        )
        before = events(dsn)
        answer = await client.request(**asked, json={"reason": "She asked.", "user_id": "bob"})
        assert problem(answer) == (400, "body-not-taken")
        assert events(dsn) == before
        assert (await client.request(**asked)).status_code == 200
