"""What is logged: one JSON object a line, with the request's id, and never what anybody said."""

import logging
import time
import traceback
from contextvars import ContextVar
from typing import Any

import msgspec

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)


class JsonLines(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
        }
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info and record.exc_info[0]:
            line |= without_words(record.exc_info[0], record.exc_info[2])
        return msgspec.json.encode(line).decode()


def message_of(record: logging.LogRecord) -> str:
    """Where an error itself is logged, it is only named: ChatKit's package does that."""
    if isinstance(record.msg, BaseException):
        return f"{type(record.msg).__qualname__} was raised"
    return record.getMessage()


def without_words(kind: type[BaseException], trace: Any) -> dict[str, Any]:
    """What went wrong and where. The exception's own text stays out: a database's quotes the values it
    got."""
    frames = traceback.extract_tb(trace)[-12:]
    return {
        "error": f"{kind.__module__}.{kind.__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def configuration(level: str) -> dict[str, Any]:
    """For logging.config: everything to stderr; the web server says only what somebody should look at."""
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": handler},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "hansard": {"level": level.upper()},
            "_granian": {"level": "WARNING"},
            "granian.access": {"level": "CRITICAL"},
        },
    }
