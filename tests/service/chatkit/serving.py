"""The service as it runs, with a scripted model behind it and ChatKit's widgets before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.listening import draft, eventually
from tests.model import Model
from tests.service.chatkit.speaking import Widget, widget_at
from tests.serving import Service, serving

ROOT = str(Path(__file__).parents[3])
KITCHEN = "tests.service.chatkit.kitchen:Kitchen"
NAMING = "tests.service.chatkit.kitchen:NamingKitchen"


@contextmanager
def served(dsn: str, model: Model, place: Path, **environ: str) -> Iterator[Service]:
    given = model.environ(HANSARD_GRACE="0", PYTHONPATH=ROOT) | environ
    with serving("--dsn", dsn, data=place / "data", output=place / "output", **given) as service:
        yield service


@dataclass(frozen=True)
class Standing:
    """A service that many tests speak to, each as a user of its own."""

    url: str
    dsn: str

    @contextmanager
    def widget_of(self, user_id: str) -> Iterator[Widget]:
        """When the test is over nothing of it goes on."""
        with widget_at(self.url, user_id) as widget:
            yield widget
        eventually(lambda: draft(self.dsn, user_id) is None)
