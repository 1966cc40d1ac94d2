"""That nobody is given the same random bytes as somebody else."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import reduce
from operator import and_, or_

from service.store.ids import new_id
from service.store.randomness import AT_ONCE, SIZE, sixteen_bytes

MANY = 20 * AT_ONCE
RANDOM_BITS = (1 << 76) - 1 & ~(0x3 << 62)
"""Of an id: all but the time, the version and the variant."""


def test_threads_are_given_different_ones() -> None:
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda _: sixteen_bytes(), range(MANY)))
    assert len(set(given)) == MANY
    assert {len(each) for each in given} == {SIZE}


def test_a_forked_process_is_given_others_than_the_one_it_was_forked_from() -> None:
    sixteen_bytes()
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(into, sixteen_bytes())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(into)
    theirs = os.read(out, SIZE)
    os.close(out)
    assert theirs not in [sixteen_bytes() for _ in range(AT_ONCE)]


def test_an_id_says_when_it_was_made_and_is_of_the_version_that_it_says() -> None:
    before = datetime.now(UTC).timestamp()
    made = [new_id() for _ in range(MANY)]
    after = datetime.now(UTC).timestamp()
    assert len(set(made)) == MANY
    for each in made:
        assert (each.version, each.variant) == (7, "specified in RFC 4122")
        assert before - 0.001 <= (each.int >> 80) / 1000 <= after
    varying = [each.int & RANDOM_BITS for each in made]
    assert reduce(or_, varying) == RANDOM_BITS, "each of them is sometimes set"
    assert reduce(and_, varying) == 0, "and sometimes not"
