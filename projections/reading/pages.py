"""Pages that PostgreSQL puts together: whatever is on them leaves it as the bytes of a list in JSON."""

from typing import Final

from msgspec import Struct

from projections.reading.view import Query


class JsonPage(Struct, frozen=True):
    number: int
    lowest: int | None
    """The places of the entries: None where there are none."""
    highest: int | None
    own: bool | None
    """Whether all of it is the user's who was named."""
    entries: bytes | None
    """With commas between them, and without the list's brackets."""
    more: bool
    """Whether there is anything below the lowest place."""


PAGE: Final = """
SELECT page.number, page.lowest, page.highest, page.own, page.entries,
    EXISTS (SELECT {source}{where}{below}) AS more
FROM (
    SELECT count(*) AS number, min(entry.place) AS lowest, max(entry.place) AS highest,
        bool_and(entry.user_id = %(user_id)s) AS own,
        convert_to(string_agg(entry.json, ',' ORDER BY entry.place{direction}), 'UTF8') AS entries
    FROM (
        SELECT {place} AS place, user_id, {json} AS json
        {source}{where}{asked}
    ) AS entry
) AS page"""


def json_page(
    json: str,
    source: str,
    where: str,
    asked: str,
    below: str,
    place: str = "position",
    highest_first: bool = False,
    short: bool = True,
) -> Query[JsonPage]:
    """`json` makes an entry of a row. `asked` says from which place the page goes on, in which order, and how
    much it may hold; `below` says what is below `page.lowest`."""
    parts = {
        "{json}": json,
        "{source}": source,
        "{where}": where,
        "{asked}": asked,
        "{below}": below,
        "{place}": place,
        "{direction}": " DESC" if highest_first else "",
    }
    sql = PAGE
    for name, part in parts.items():
        sql = sql.replace(name, part)
    return Query(JsonPage, sql, "number", short)
