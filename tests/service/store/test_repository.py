"""Load, decide, append: what two wishes at once, a repeat, and another process make of one conversation."""

import asyncio
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from uuid import UUID, uuid4

import pytest

from domain import conversation as decisions
from domain.content import Limits
from domain.errors import (
    CommandReused,
    ContentTooLong,
    ConversationNotFound,
    MessageAlreadyAdded,
    SessionHasEnded,
    VersionConflict,
)
from domain.events import MessageAdded, MessageRevised
from service import commands
from service.commands import Details, Terms
from service.store.append import CommandKey
from service.store.connections import connect
from service.store.log import DatabaseLog
from service.store.repository import SNAPSHOT_EVERY, Caller, Repository
from service.store.store import shard_of
from tests.service.store.appending import BLOCKED, lane_held, rows, said, until, wait_until_blocked
from tests.service.store.processes import another_process, repository_on

ANN = Caller("ann", "ann", "request-1")
BOB = Caller("bob", "bob", "request-2")
VERSIONS = "SELECT version FROM events WHERE conversation_id = %s ORDER BY position"
TOPICS = "SELECT topic FROM events WHERE conversation_id = %s ORDER BY position"


async def a_conversation(repository: Repository, caller: Caller = ANN) -> UUID:
    changed = await commands.start_conversation(repository, caller)
    assert changed.conversation
    return changed.conversation.id


async def add(repository: Repository, conversation_id: UUID, message: MessageAdded | None = None) -> int:
    changed = await commands.add_messages(
        repository, ANN, conversation_id, [message or said()], ids_are_new=message is None
    )
    assert changed.conversation
    return changed.appended.version if changed.appended else changed.conversation.version


async def rename(repository: Repository, conversation_id: UUID, title: str) -> None:
    await commands.change_details(repository, ANN, conversation_id, Details(title=title))


def blocked(dsn: str) -> int:
    return int(rows(dsn, BLOCKED)[0][0])


def looks(repository: Repository) -> int:
    """How often it has asked for a connection to read by."""
    return repository._pool.get_stats().get("requests_num", 0)


async def ten_appends(repository: Repository, told: Connection, conversation_id: UUID) -> None:
    told.send("ready")
    await asyncio.to_thread(told.recv)
    versions = await asyncio.gather(*(add(repository, conversation_id) for _ in range(10)))
    told.send(sorted(versions))


async def test_20_appends_to_one_conversation_at_once_from_two_processes_are_all_stored_in_one_order(
    dsn: str,
) -> None:
    async with repository_on(dsn) as repository:
        conversation = await a_conversation(repository)
    with (
        another_process(ten_appends, dsn, conversation) as one,
        another_process(ten_appends, dsn, conversation) as other,
    ):
        for each in (one, other):
            assert each.recv() == "ready"
        with lane_held(dsn):
            for each in (one, other):
                each.send("go")
        versions = one.recv() + other.recv()
    assert sorted(versions) == list(range(2, 22)), "each was told a place of its own"
    assert [row[0] for row in rows(dsn, VERSIONS, conversation)] == list(range(1, 22))


async def test_whoever_adds_a_message_is_not_sent_back_for_what_came_before_it(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages, a rating, a new title and a message of an id of its own: none minds the others."""
    monkeypatch.setattr("service.store.repository.ATTEMPTS", 1)
    async with repository_on(dsn) as here, repository_on(dsn) as there:
        conversation = await a_conversation(here)
        await add(here, conversation, said("first", "first"))
        with lane_held(dsn):
            ahead = asyncio.create_task(
                commands.change_details(here, ANN, conversation, Details(title="A title"))
            )
            await asyncio.to_thread(wait_until_blocked, dsn)
            plug = asyncio.create_task(a_conversation(there))
            await until(lambda: blocked(dsn) == 2)
            behind = [
                asyncio.create_task(each)
                for each in (
                    *(add(there, conversation) for _ in range(5)),
                    add(there, conversation, said("own", "own")),
                    commands.rate_messages(there, ANN, conversation, ["first"], "good"),
                    *(add(here, conversation) for _ in range(5)),
                )
            ]
            await until(lambda: (here.store.waiting(), there.store.waiting()) == (5, 7))
        assert (await ahead).appended
        await plug
        await asyncio.gather(*behind)
        versions = [version for version in [each.result() for each in behind] if isinstance(version, int)]
        assert sorted({*versions}) == sorted(versions), "each was told a place of its own"
        assert [row[0] for row in rows(dsn, VERSIONS, conversation)] == list(range(1, 16))
        shard = here.store.shard_of("ann")
        state = await there.load(shard, conversation)
        assert state
        assert (state.version, state.message_count, state.title) == (15, 12, "A title")
        assert await add(here, conversation) == 16


@pytest.mark.parametrize("between", ["end", "same id", "erase"])
async def test_whoever_adds_a_message_is_sent_back_for_what_concerns_it(dsn: str, between: str) -> None:
    async with repository_on(dsn) as here, repository_on(dsn) as there:
        conversation = await a_conversation(there)
        await here.load(here.store.shard_of("ann"), conversation)
        with lane_held(dsn):
            match between:
                case "end":
                    ahead = asyncio.create_task(commands.end(here, ANN, conversation))
                case "erase":
                    ahead = asyncio.create_task(
                        commands.change_conversation(
                            here, ANN, conversation, lambda known: decisions.erase(known, "ann", "asked")
                        )
                    )
                case _:
                    ahead = asyncio.create_task(
                        commands.add_messages(here, ANN, conversation, [said("one", "same")])
                    )
            await asyncio.to_thread(wait_until_blocked, dsn)
            behind = asyncio.create_task(add(there, conversation, said("other", "same")))
            await until(lambda: blocked(dsn) == 2)
        await ahead
        refusal = {"end": SessionHasEnded, "erase": ConversationNotFound, "same id": MessageAlreadyAdded}
        with pytest.raises(refusal[between]):
            await behind
    assert len(rows(dsn, VERSIONS, conversation)) == 2


async def test_nobody_decides_on_what_rests_on_a_refused_append(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or two titles, each decided on the other one before, could keep each other out for ever."""
    monkeypatch.setattr("service.store.repository.ATTEMPTS", 2)
    async with repository_on(dsn) as here, repository_on(dsn) as there:
        conversation = await a_conversation(there)
        await here.load(here.store.shard_of("ann"), conversation)
        with ExitStack() as later:
            with lane_held(dsn):
                quicker = asyncio.create_task(rename(there, conversation, "quicker"))
                await until(lambda: blocked(dsn) == 1)
                one = asyncio.create_task(rename(here, conversation, "one"))
                await until(lambda: blocked(dsn) == 2)
                other = asyncio.create_task(rename(here, conversation, "other"))
                await until(lambda: here.store.waiting() == 1)
                again = asyncio.create_task(asyncio.to_thread(later.enter_context, lane_held(dsn)))
                await until(lambda: blocked(dsn) == 3)
            await asyncio.gather(quicker, again)
            # The first title is refused by now; the other one, decided on it, waits to be.
            await until(lambda: blocked(dsn) == 1 and here.store.waiting() == 1)
        await asyncio.gather(one, other)
    assert [row[0] for row in rows(dsn, VERSIONS, conversation)] == [1, 2, 3, 4]


async def test_what_was_decided_on_a_session_reopened_is_not_stored_in_one_that_is_not(dsn: str) -> None:
    """Its reopening was quicker elsewhere, and the session has been ended again."""
    async with repository_on(dsn) as here, repository_on(dsn) as there:
        conversation = await a_conversation(here)
        await commands.end(here, ANN, conversation)
        with lane_held(dsn):
            plug = asyncio.create_task(a_conversation(there))
            await asyncio.to_thread(wait_until_blocked, dsn)
            elsewhere = asyncio.create_task(
                commands.change_details(there, ANN, conversation, Details(ended=False))
            )
            await until(lambda: there.store.waiting() == 1)
            ended = asyncio.create_task(commands.end(there, ANN, conversation))
            await until(lambda: there.store.waiting() == 2)
            reopening = asyncio.create_task(
                commands.change_details(here, ANN, conversation, Details(ended=False))
            )
            await until(lambda: blocked(dsn) == 2)
            message = asyncio.create_task(add(here, conversation))
            await until(lambda: here.store.waiting() == 1)
        await asyncio.gather(plug, elsewhere, ended, reopening)
        # Which of the two processes is next to get the lock is not said: it may be asked in between.
        with suppress(SessionHasEnded):
            await message
    told = [topic for (topic,) in rows(dsn, TOPICS, conversation)]
    if "message_added" in told:
        sessions = [topic for topic in told[: told.index("message_added")] if topic.startswith("session_")]
        assert sessions[-1] == "session_reopened"


async def test_appends_that_are_decided_while_others_are_on_their_way_share_a_batch(dsn: str) -> None:
    batches: list[int] = []
    async with repository_on(dsn, committed=lambda events: batches.append(len(events))) as repository:
        conversation = await a_conversation(repository)
        with lane_held(dsn):
            plug = asyncio.create_task(a_conversation(repository))
            await asyncio.to_thread(wait_until_blocked, dsn)
            waiting = [asyncio.create_task(add(repository, conversation)) for _ in range(30)]
            await until(lambda: repository.store.waiting() == 30)
        await plug
        assert sorted(await asyncio.gather(*waiting)) == list(range(2, 32))
    assert batches == [1, 1, 30], "they were not made to wait for each other"


async def test_a_wish_on_an_old_version_is_told_the_current_one(dsn: str) -> None:
    async with repository_on(dsn) as repository, repository_on(dsn) as elsewhere:
        conversation = await a_conversation(repository)
        await add(elsewhere, conversation)
        with pytest.raises(VersionConflict) as told:
            await commands.add_messages(
                repository, ANN, conversation, [said()], ids_are_new=True, terms=Terms(1)
            )
        assert told.value.facts == {"current_version": 2, "expected_version": 1}
        changed = await commands.add_messages(
            repository, ANN, conversation, [said()], ids_are_new=True, terms=Terms(2)
        )
        assert changed.appended
        assert changed.appended.version == 3


async def test_no_refusal_rests_on_what_another_process_has_changed(dsn: str) -> None:
    async with repository_on(dsn) as here, repository_on(dsn) as there:
        conversation = await a_conversation(here)
        await commands.end(here, ANN, conversation)
        with pytest.raises(SessionHasEnded):
            await add(here, conversation)
        await commands.change_details(there, ANN, conversation, Details(ended=False))
        assert await add(here, conversation) == 4
        await commands.end(there, ANN, conversation)
        await commands.change_details(there, ANN, conversation, Details(ended=False))
        changed = await commands.end(here, ANN, conversation)
        assert changed.appended, "it was open again, though this process remembered it so from long ago"
        with pytest.raises(SessionHasEnded):
            await add(there, conversation)


async def test_a_repeated_command_is_answered_as_the_first_time_even_if_it_would_be_refused_now(
    dsn: str,
) -> None:
    async with repository_on(dsn) as repository:
        conversation, command = await a_conversation(repository), CommandKey(uuid4(), b"hello")
        message = said()
        first = await commands.add_messages(
            repository, ANN, conversation, [message], terms=Terms(command=command)
        )
        await commands.end(repository, ANN, conversation)
        again = await commands.add_messages(
            repository, ANN, conversation, [message], terms=Terms(command=command)
        )
        assert first.appended
        assert again.appended
        assert again.appended.repeated
        assert again.appended.version == first.appended.version == 2
        with pytest.raises(CommandReused):
            await commands.add_messages(
                repository, ANN, conversation, [said()], terms=Terms(command=CommandKey(command.id, b"other"))
            )
    assert len(rows(dsn, VERSIONS, conversation)) == 3


async def test_starting_a_conversation_again_with_the_same_command_gives_the_first_one(dsn: str) -> None:
    async with repository_on(dsn) as repository:
        command = CommandKey(uuid4(), b"start")
        made = [
            await commands.start_conversation(
                repository, ANN, first_messages=[said()], terms=Terms(command=command)
            )
            for _ in range(3)
        ]
    ids = {changed.conversation.id for changed in made if changed.conversation}
    assert len(ids) == 1
    assert len(rows(dsn, VERSIONS, ids.pop())) == 2


async def test_a_message_id_that_the_caller_chose_is_kept_once(dsn: str) -> None:
    async with repository_on(dsn) as repository, repository_on(dsn) as elsewhere:
        conversation, message = await a_conversation(repository), said("hello", "m1")
        versions = await asyncio.gather(
            *(add(each, conversation, message) for each in (repository, elsewhere) for _ in range(5))
        )
        assert set(versions) == {2}
        with pytest.raises(MessageAlreadyAdded):
            await add(repository, conversation, said("something else", "m1"))
        revised = MessageRevised(message_id="m1", content="hello again")
        await commands.change_message(
            repository,
            ANN,
            conversation,
            "m1",
            lambda known, message: decisions.revise_message(known, message, revised),
        )
        await commands.rate_messages(elsewhere, ANN, conversation, ["m1"], "positive")
        found = await repository.messages(shard_of("ann", 8), conversation, ["m1"])
        assert (found["m1"].content, found["m1"].rating) == ("hello again", "positive")
    assert len(rows(dsn, VERSIONS, conversation)) == 4


async def test_somebody_elses_conversation_is_answered_like_one_that_does_not_exist(dsn: str) -> None:
    async with repository_on(dsn) as repository:
        same_shard = Caller(next(f"u{n}" for n in range(99) if shard_of(f"u{n}", 8) == shard_of("ann", 8)))
        conversation = await a_conversation(repository)
        for caller in (BOB, same_shard):
            with pytest.raises(ConversationNotFound):
                await commands.change_details(repository, caller, conversation, Details(title="mine now"))
        with pytest.raises(ConversationNotFound):
            await commands.change_details(repository, ANN, uuid4(), Details(title="nobody's"))
    assert len(rows(dsn, VERSIONS, conversation)) == 1


async def test_a_caller_who_goes_away_leaves_the_append_to_be_stored_and_the_next_one_in_order(
    dsn: str,
) -> None:
    async with repository_on(dsn) as repository:
        conversation = await a_conversation(repository)
        with lane_held(dsn):
            plug = asyncio.create_task(a_conversation(repository))
            await asyncio.to_thread(wait_until_blocked, dsn)
            gone = asyncio.create_task(add(repository, conversation))
            await until(lambda: repository.store.waiting() == 1)
            gone.cancel()
            stays = asyncio.create_task(add(repository, conversation))
            await until(lambda: repository.store.waiting() == 2)
        assert await stays == 3
        await plug
        with pytest.raises(asyncio.CancelledError):
            await gone
    assert [row[0] for row in rows(dsn, VERSIONS, conversation)] == [1, 2, 3]


async def test_a_long_conversation_is_loaded_from_its_snapshot(dsn: str) -> None:
    async with repository_on(dsn) as repository:
        conversation = await a_conversation(repository)
        for _ in range(3):
            batch = [said() for _ in range(SNAPSHOT_EVERY // 2)]
            await commands.add_messages(repository, ANN, conversation, batch, ids_are_new=True)
        await repository.close()
        taken = rows(dsn, "SELECT version, state FROM snapshots WHERE conversation_id = %s", conversation)
        assert [version for version, _ in taken] == [SNAPSHOT_EVERY + 1]
        await add(repository, conversation)
    async with repository_on(dsn) as later:
        loaded = await later.load(shard_of("ann", 8), conversation)
    with connect(dsn) as connection:
        history = DatabaseLog().piece(connection, shard_of("ann", 8), conversation, 1, 1_000)
        assert loaded == decisions.fold(history)
    assert loaded
    assert loaded.message_count == 3 * (SNAPSHOT_EVERY // 2) + 1


@pytest.mark.parametrize("text", ["NUL \0 in the middle", "x" * 10_000_000, "\u2028 \U0001f600 é"])
async def test_what_was_said_comes_back_as_it_went_in(dsn: str, text: str) -> None:
    async with repository_on(dsn, limits=Limits(message_bytes=10_000_000)) as repository:
        conversation = await a_conversation(repository)
        await add(repository, conversation, said(text, "m1"))
    async with repository_on(dsn) as later:
        found = await later.messages(shard_of("ann", 8), conversation, ["m1"])
        assert found["m1"].content == text
        with pytest.raises(ContentTooLong, match="content is 1000001 bytes long; the limit is 1000000"):
            await add(later, conversation, said("x" * 1_000_001))


async def test_the_version_of_somebody_elses_conversation_is_not_told(dsn: str) -> None:
    async with repository_on(dsn) as repository:
        neighbour = Caller(next(f"u{n}" for n in range(99) if shard_of(f"u{n}", 8) == shard_of("ann", 8)))
        for conversation in (await a_conversation(repository), uuid4()):
            with pytest.raises(VersionConflict) as told:
                await commands.add_messages(repository, neighbour, conversation, [said()], terms=Terms(7))
            assert told.value.facts["current_version"] == 0


async def test_one_id_in_two_shards_is_two_conversations(dsn: str) -> None:
    async with repository_on(dsn) as here, repository_on(dsn) as there:
        shared = uuid4()
        await commands.start_conversation(here, ANN, conversation_id=shared, title="Ann's")
        await commands.start_conversation(there, BOB, conversation_id=shared, title="Bob's")
        await commands.change_details(here, BOB, shared, Details(title="Bob's indeed"))
        for each in (here, there):
            anns = await each.load(shard_of("ann", 8), shared)
            bobs = await each.load(shard_of("bob", 8), shared)
            assert anns
            assert bobs
            assert (anns.title, anns.version) == ("Ann's", 1)
            assert (bobs.title, bobs.version) == ("Bob's indeed", 2)


async def test_nothing_is_refused_on_the_strength_of_an_append_that_is_not_stored_yet(dsn: str) -> None:
    """A message that comes while the session is being ended waits for that, and is refused once it is so."""
    async with repository_on(dsn) as repository:
        conversation = await a_conversation(repository)
    async with repository_on(dsn) as repository:
        with lane_held(dsn):
            ending = asyncio.create_task(commands.end(repository, ANN, conversation))
            await asyncio.to_thread(wait_until_blocked, dsn)
            looked = looks(repository)
            adding = asyncio.create_task(add(repository, conversation))
            await until(lambda: adding.done() or looks(repository) > looked)
            assert not adding.done()
        await ending
        with pytest.raises(SessionHasEnded):
            await adding
    assert len(rows(dsn, VERSIONS, conversation)) == 2
