"""One state machine guards all histories.

Whatever is wished, in whatever order, of however many processes, while projections fail and are mended,
followed and replayed: the log is what was accepted, each state is the fold of its events, and each table a
plain fold of the log.

The normal run is short and does not look for the smallest example; `HYPOTHESIS_PROFILE=long` does both.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from projections.rebuilding.loading import LoadLimits
from service.postgres.embedded import EmbeddedPostgres
from tests.cluster import COORDINATOR
from tests.conftest import LONG, database
from tests.machine import drawing
from tests.machine.moods import MARKER, NAMES, Mood
from tests.machine.processes import ShortLog, Stopped
from tests.machine.wishes import ANN, Add, Said, Start, Wish
from tests.machine.world import World

SHORT = settings(
    max_examples=12, stateful_step_count=30, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
PROCESSES = st.integers(0, 2)
SNAPSHOT_EVERY = 5


class Machine(RuleBasedStateMachine):
    def __init__(self, made: AbstractContextManager[str]) -> None:
        super().__init__()
        self._database = made
        self._dsn = made.__enter__()
        self._world: World | None = None
        self._wished: list[Wish] = []
        self._sound = True

    @property
    def world(self) -> World:
        assert self._world
        return self._world

    @contextmanager
    def watched(self) -> Iterator[World]:
        """Once something was wrong, the end has nothing to add to it."""
        try:
            yield self.world
        except BaseException:
            self._sound = False
            raise

    @initialize(lanes=st.sampled_from([1, 3]), wishes=st.lists(drawing.starts, max_size=3))
    def begin(self, lanes: int, wishes: list[Wish]) -> None:
        self._world = World(self._dsn, lanes)
        self.wish(*((slot, Start(who=ANN, slot=slot)) for slot in range(3)), *((1, wish) for wish in wishes))

    def wish(self, *wishes: tuple[int, Wish], chores: Sequence[str] = ()) -> None:
        self._wished += [wish for _, wish in wishes if wish.command is not None]
        with self.watched() as world:
            world.wish(wishes, chores)

    @rule(wishes=drawing.talks)
    def talk(self, wishes: list[tuple[int, Wish]]) -> None:
        for process, wish in wishes:
            self.wish((process, wish))

    @rule(process=PROCESSES, wish=drawing.erasures)
    def erase(self, process: int, wish: Wish) -> None:
        self.wish((process, wish))

    @rule()
    def forget_what_was_erased(self) -> None:
        with self.watched() as world:
            world.forget()

    @rule(process=PROCESSES, which=st.integers(0, 50))
    def repeat_a_command(self, process: int, which: int) -> None:
        if self._wished:
            self.wish((process, self._wished[which % len(self._wished)]))

    @rule(wishes=drawing.bursts, chores=drawing.chores)
    def wish_at_once(self, wishes: list[tuple[int, Wish]], chores: list[str]) -> None:
        self.wish(*wishes, chores=chores)

    @rule(process=PROCESSES, wish=drawing.additions, times=st.integers(2, 4))
    def wish_the_same_at_once(self, process: int, wish: Wish, times: int) -> None:
        self.wish(*(((process + number) % 3, wish) for number in range(times)))

    @rule(
        process=PROCESSES,
        projection=st.sampled_from(NAMES),
        mood=st.sampled_from(["raises", "refused", "well"]),
        slot=drawing.slots,
    )
    def spoil(self, process: int, projection: str, mood: Mood, slot: int) -> None:
        self.world.moods.set(projection, mood)
        self.wish((process, Add(who=ANN, slot=slot, messages=(Said(content=MARKER),))))

    @rule()
    def mend(self) -> None:
        with self.watched() as world:
            world.moods.mend()
            world.retry()
            world.check_parked_nothing()

    @rule(process=PROCESSES)
    def follow(self, process: int) -> None:
        with self.watched() as world:
            world.processes[process].follower.run_once()

    @rule()
    def compare(self) -> None:
        with self.watched() as world:
            world.check_tables()

    @rule(names=drawing.names, limits=drawing.limits)
    def replay(self, names: list[str], limits: LoadLimits) -> None:
        with self.watched() as world:
            world.replay(names, limits)
            world.check_tables(names)

    @rule(names=drawing.names, limits=drawing.limits, looks=st.integers(0, 80))
    def begin_a_replay_and_stop_it(self, names: list[str], limits: LoadLimits, looks: int) -> None:
        with self.watched() as world, suppress(Stopped):
            world.replay(names, limits, ShortLog(looks))

    @rule(names=drawing.names, limits=drawing.limits)
    def check(self, names: list[str], limits: LoadLimits) -> None:
        with self.watched() as world:
            world.check_builds(names, limits)

    @rule(process=PROCESSES, unknown=st.sampled_from(["", "", "history", "conversations"]))
    def restart(self, process: int, unknown: str) -> None:
        with self.watched() as world:
            world.restart(process, unknown)

    @rule()
    def load_anew(self) -> None:
        with self.watched() as world:
            world.check_states()

    @rule(process=PROCESSES)
    def read(self, process: int) -> None:
        with self.watched() as world:
            world.run(world.read(world.processes[process]))

    def teardown(self) -> None:
        try:
            if self._world is not None:
                try:
                    if self._sound:
                        self.hold_all_of_it_against_the_model(self._world)
                finally:
                    self._world.close()
        finally:
            self._database.__exit__(None, None, None)

    def hold_all_of_it_against_the_model(self, world: World) -> None:
        world.check_log()
        world.check_states()
        world.check_tables()
        world.moods.mend()
        world.retry()
        world.check_parked_nothing()
        world.check_tables()
        world.replay(NAMES)
        world.check_tables()
        world.forget()
        world.check_log()
        world.verify()


@pytest.mark.timeout(LONG or (300 if COORDINATOR is None else 3_600))
def test_all_histories_are_kept(
    postgres: EmbeddedPostgres, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.repository.SNAPSHOT_EVERY", SNAPSHOT_EVERY)
    monkeypatch.setattr("service.store.remembered.PROOFS", 0)
    chosen = settings() if LONG else SHORT
    run_state_machine_as_test(
        cast(type[Machine], partial(made, postgres, template)),
        settings=settings(chosen, suppress_health_check=list(HealthCheck)),
    )


def made(postgres: EmbeddedPostgres, template: str) -> Machine:
    return Machine(database(postgres, template))
