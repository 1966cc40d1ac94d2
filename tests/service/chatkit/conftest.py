"""What the tests of ChatKit's protocol share.

ChatKit's own module of widgets warns of itself when it is imported.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import chatkit.types  # noqa: F401

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model import Model, scripted
from tests.service.chatkit.serving import served
from tests.service.chatkit.speaking import Widget, widget_at


@pytest.fixture
def model() -> Iterator[Model]:
    with scripted() as model:
        yield model


@pytest.fixture
def widget(dsn: str, model: Model, tmp_path: Path) -> Iterator[Widget]:
    """Ann's, before a service of this test's own."""
    with served(dsn, model, tmp_path) as service, widget_at(service.url) as widget:
        yield widget
