"""The composition root: the only place where settings, resources and routes are wired together."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from typing import Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin

from service.api import (
    admin,
    audit,
    changes,
    chat,
    chatkit,
    conversations,
    export,
    links,
    messages,
    privacy,
    ratings,
    replays,
    search,
    sessions,
)
from service.api.answering import problems
from service.api.answering.documented import WhatIsSent
from service.api.asking import asking, principal
from service.api.asking.auth import OPEN, SECURITY, Authentication
from service.api.asking.bodies import Bodies
from service.api.asking.lasting import Lasting
from service.api.asking.origins import cors
from service.api.asking.recorded_reads import Recording
from service.api.asking.requests import JsonRequest, log_the_unexpected
from service.api.asking.room import Room
from service.api.health import live, ready
from service.api.metrics import metrics_of_all_workers
from service.api.openai import conversations as openai_conversations
from service.api.openai import items as openai_items
from service.attachment import Attachment
from service.hansard import projections_of
from service.repeating import Repeating
from service.settings.settings import Settings
from service.watch.look import Watch
from service.watch.metrics import CountingObserver, measure
from service.web import pages
from service.web.reference import ReferencePlugin
from service.worker.door import Door
from service.worker.layer import Layer
from service.worker.stop import Stop

log = logging.getLogger("hansard.worker")

MEASURE_EVERY: Final = 1.0


def create_app(settings: Settings | None = None) -> Litestar:
    settings = settings or Settings.load(os.environ)
    attachment = Attachment(settings, CountingObserver())
    room, bodies = Room(settings), Bodies(settings)
    authentication = Authentication(settings, attachment, room)
    lasting = Lasting(authentication.is_good)
    stop = Stop(attachment, bodies)
    recording = Recording(attachment, everybody=settings.record_reads == "all")
    app = Litestar(
        route_handlers=[
            *pages.HANDLERS,
            live,
            ready,
            metrics_of_all_workers,
            *sessions.HANDLERS,
            *conversations.HANDLERS,
            *messages.HANDLERS,
            *ratings.HANDLERS,
            *changes.HANDLERS,
            *links.HANDLERS,
            *export.HANDLERS,
            *search.HANDLERS,
            *privacy.HANDLERS,
            *audit.HANDLERS,
            *admin.HANDLERS,
            *replays.HANDLERS,
            *chat.HANDLERS,
            *chatkit.HANDLERS,
            *openai_conversations.HANDLERS,
            *openai_items.HANDLERS,
        ],
        lifespan=[ending_with_its_parent, attached, lasting.looked_after, stop.heard, made_to_stay],
        guards=[authentication.admit],
        dependencies={**principal.DEPENDENCIES, **asking.DEPENDENCIES},
        plugins=[problems.plugin(), WhatIsSent()],
        request_class=JsonRequest,
        cors_config=cors(settings),
        request_max_body_size=settings.body_limit,
        after_exception=[log_the_unexpected],
        state=State(
            {
                "settings": settings,
                "attachment": attachment,
                "watch": Watch(settings.dsn, projections_of(settings)),
            }
        ),
        openapi_config=OpenAPIConfig(
            title="Hansard",
            version=version("hansard"),
            description="Every conversation between people and an AI, word for word and in order.",
            use_handler_docstrings=True,
            components=SECURITY,
            security=[{"bearer": []}],
            openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, opt=OPEN),
            render_plugins=[ReferencePlugin(), JsonRenderPlugin(), YamlRenderPlugin()],
        ),
        logging_config=None,  # service.logs has configured it for the whole process
    )
    door = Door(app, authentication, attachment, for_other_sites=app.cors_config is not None)
    app.asgi_handler = Layer(door, attachment, stop, recording, room, bodies, lasting)
    return app


@asynccontextmanager
async def attached(app: Litestar) -> AsyncIterator[None]:
    """The database is in use for as long as requests are answered; in the end, what was taken is stored."""
    attachment: Attachment = app.state["attachment"]
    await attachment.start()
    measuring = Repeating(measuring_of(attachment), MEASURE_EVERY, log, "nothing could be measured")
    measuring.start()
    try:
        yield
    finally:
        await measuring.close()
        await attachment.stop()


def measuring_of(attachment: Attachment) -> Callable[[], Awaitable[None]]:
    async def measured() -> None:
        if attachment.is_there:
            measure(attachment.hansard.store, attachment.hansard.pool)

    return measured


@asynccontextmanager
async def ending_with_its_parent(app: Litestar) -> AsyncIterator[None]:
    """A worker's stop is its parent's word: a Ctrl-C, which the terminal sends to both, is not for it to act
    on; and should the parent be killed, so that no word can come, the worker goes by itself."""
    parent = multiprocessing.parent_process()
    if parent is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch = asyncio.create_task(end_without(parent))
    yield
    watch.cancel()


@asynccontextmanager
async def made_to_stay(app: Litestar) -> AsyncIterator[None]:
    """What there is by now lives as long as the worker: to look through it for garbage again and again would
    hold up every request each time."""
    if multiprocessing.parent_process() is not None:
        gc.collect()
        gc.freeze()
    yield


async def end_without(parent: BaseProcess) -> None:
    while parent.is_alive():  # noqa: ASYNC110 - nothing can set an event for a process that is killed
        await asyncio.sleep(0.25)
    signal.raise_signal(signal.SIGTERM)
