"""What the tests of ChatKit's protocol share.

ChatKit's own module of widgets warns of itself when it is imported.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import chatkit.types  # noqa: F401

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from service.postgres.embedded import EmbeddedPostgres
from tests.conftest import database
from tests.model import Model, scripted
from tests.service.chatkit.record import Record
from tests.service.chatkit.serving import KITCHEN, Standing, served
from tests.service.chatkit.speaking import Widget

people = count(1)


@pytest.fixture(scope="package")
def standing_model() -> Iterator[Model]:
    with scripted() as model:
        yield model


@pytest.fixture
def model(standing_model: Model) -> Model:
    """Behind every service here; each test scripts it anew."""
    standing_model.forget()
    return standing_model


@contextmanager
def standing(
    postgres: EmbeddedPostgres, template: str, model: Model, places: pytest.TempPathFactory, **environ: str
) -> Iterator[Standing]:
    with (
        database(postgres, template) as dsn,
        served(dsn, model, places.mktemp("standing"), **environ) as service,
    ):
        yield Standing(service.url, dsn)


@pytest.fixture(scope="package")
def plain(
    postgres: EmbeddedPostgres, template: str, standing_model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    """The service as it comes."""
    with standing(postgres, template, standing_model, tmp_path_factory) as service:
        yield service


@pytest.fixture(scope="package")
def cooking(
    postgres: EmbeddedPostgres, template: str, standing_model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standing]:
    """One whose server is the kitchen."""
    environ = {"HANSARD_CHATKIT_SERVER": KITCHEN}
    with standing(postgres, template, standing_model, tmp_path_factory, **environ) as service:
        yield service


@pytest.fixture
def ann() -> str:
    """Another one in each test."""
    return f"ann-{next(people)}"


@pytest.fixture
def widget(plain: Standing, model: Model, ann: str) -> Iterator[Widget]:
    """Ann's."""
    with plain.widget_of(ann) as widget:
        yield widget


@pytest.fixture
def record(plain: Standing, ann: str) -> Record:
    """What is stored of her."""
    return Record(plain.dsn, ann)


@pytest.fixture
def kitchen(cooking: Standing, model: Model, ann: str) -> Iterator[Widget]:
    """Ann's, before the kitchen."""
    with cooking.widget_of(ann) as widget:
        yield widget


@pytest.fixture
def kitchen_record(cooking: Standing, ann: str) -> Record:
    return Record(cooking.dsn, ann)
