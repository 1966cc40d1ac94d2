"""The API document as a page to read, made here: the usual viewers load their scripts from somebody else's
network."""

from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

STYLE = """
:root { color-scheme: light dark; --ink: #1d2021; --paper: #fbfaf7; --link: #0b5cad;
        --rule: #d9d5cb; --soft: #f0ede5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e3dc; --paper: #17191a; --link: #8cc0f5;
          --rule: #3a3d3e; --soft: #222526; } }
body { margin: 0 auto; max-width: 52rem; padding: 2rem 1.25rem 4rem;
       background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
a { color: var(--link); }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; background: var(--soft); border-radius: 0.375rem; }
details { border-top: 1px solid var(--rule); padding: 0.5rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary b { display: inline-block; min-width: 4.5rem; font: 600 0.8125rem ui-monospace, monospace; }
table { width: 100%; border-collapse: collapse; }
td { padding: 0.25rem 1rem 0.25rem 0; vertical-align: top; border-top: 1px solid var(--rule); }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class ReferencePlugin(OpenAPIRenderPlugin):
    """Serves the page at the root of the API document."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return page(openapi_schema).encode()


def page(document: dict[str, Any]) -> str:
    title = escape(document["info"]["title"])
    schemas = document.get("components", {}).get("schemas", {})
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}"><link rel="icon" href="data:,">
<title>{title}: the API</title><style>{STYLE}</style></head><body>
<h1>{title}: the API</h1>
<p>Version {escape(document["info"]["version"])}. The document itself, for machines:
<a href="/schema/openapi.json">JSON</a>, <a href="/schema/openapi.yaml">YAML</a>.</p>
{"".join(operations(document["paths"]))}
<h2>Schemas</h2>
{"".join(schema_block(name, schema) for name, schema in sorted(schemas.items()))}
</body></html>"""


def operations(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in sorted(paths.items()):
        for method, operation in methods.items():
            if isinstance(operation, dict) and "responses" in operation:
                yield operation_block(method.upper(), path, operation)


def operation_block(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = [row(p["name"], p["in"], p.get("description", "")) for p in operation.get("parameters") or []]
    if body := operation.get("requestBody"):
        rows.append(row("body", referred(body), body.get("description", "")))
    rows += [
        row(status, referred(answer), answer.get("description", ""))
        for status, answer in operation["responses"].items()
    ]
    summary = f"<b>{method}</b> <code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
    description = escape(operation.get("description") or "")
    return (
        f"<details><summary>{summary}</summary><p>{description}</p><table>{''.join(rows)}</table></details>"
    )


def row(name: str, kind: str, description: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{escape(description)}</td></tr>"


def referred(holder: dict[str, Any]) -> str:
    """Links to the schemas that a body or an answer consists of."""
    found = []
    for content in (holder.get("content") or {}).values():
        schema = content.get("schema", {})
        if reference := schema.get("$ref") or schema.get("items", {}).get("$ref"):
            name = escape(reference.rsplit("/", 1)[-1])
            found.append(f'<a href="#{name}">{name}</a>')
    return ", ".join(found)


def schema_block(name: str, schema: dict[str, Any]) -> str:
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
    name = escape(name)
    return f'<details id="{name}"><summary><code>{name}</code></summary><pre>{escape(text)}</pre></details>'
