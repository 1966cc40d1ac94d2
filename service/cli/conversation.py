"""The conversation that a command is about: by its id, or by its name where one user alone has that."""

from typing import Final
from uuid import UUID

from domain.errors import Refusal
from service.store.connections import Database
from service.store.migrations import check_migrated
from service.store.names import all_named, as_id

OR_BY_NAME: Final = "or its name, if one user alone has it"


class NobodyHasTheName(Refusal):
    """There is no conversation of the name {name}."""


class SeveralHaveTheName(Refusal):
    """{count} users have a conversation of the name {name}: say its id, which is {ids}."""


def meant(database: Database, conversation: str) -> UUID:
    if (known := as_id(conversation)) is not None:
        return known
    with database.connect("hansard") as connection:
        check_migrated(connection)
        found = all_named(connection, conversation)
    if not found:
        raise NobodyHasTheName(name=conversation)
    if len(found) > 1:
        raise SeveralHaveTheName(count=len(found), name=conversation, ids=" or ".join(map(str, found)))
    return found[0]
