"""The description of the API as one page for people: no script, no font, nothing from elsewhere. Pure."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ops.api.curl_example import METHODS, curl_example
from router.http.problems import Kind

Json = dict[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --link: light-dark(#0b57d0, #8ab4f8); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; display: grid; grid-template-columns: 18rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; border-right: 1px solid var(--line); }
nav ul { list-style: none; margin: 0 0 .8rem; padding: 0; font-size: .875rem; }
nav h2 { font-size: .875rem; margin: 0; }
main { padding: 1rem 2rem 6rem; max-width: 60rem; }
a { color: var(--link); }
section { border-top: 1px solid var(--line); padding: .5rem 0 1rem; }
h3 { margin: .5rem 0; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
.verb { font-weight: 700; }
.needs { opacity: .75; font-size: .875rem; }
@media (max-width: 50rem) { body { display: block; } nav { position: static; height: auto; border: 0; } }
"""
_HEAD = """<p>Every request carries a token, except where it says otherwise: <code>Authorization: Bearer TOKEN</code>
(<code>lead-router tokens create</code>). A token is for one tenant, or for all of them: then <code>?tenant=NAME</code>
names one. Errors are <a href="#problems">problems</a> (RFC 9457) with a pointer to each wrong value. Lists come in
pages: <code>limit</code> is the length of a page, <code>next</code> of one page is <code>after</code> of the following
one. The same for machines: <code>/openapi.json</code> (with a token).</p>
<p>In the examples <code>$API</code> is the address, such as <code>http://127.0.0.1:8381</code>, and
<code>$TOKEN</code> the token.</p>"""
_CODE = re.compile(r"`([^`]+)`")


def docs_page(described: Json) -> str:
    """HTML of the OpenAPI document `described`."""
    schemas = described["components"]["schemas"]
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                groups.setdefault(operation.get("tags", ["other"])[0], []).append((path, method, operation))
    body = [*_operations(groups, schemas), *_problems(), *_schemas(schemas)]
    title = f"API of {escape(described['info']['title'])}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><nav>{''.join(_contents(groups))}</nav>\n<main><h1>{title}</h1>\n{_HEAD}\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _contents(groups: Mapping[str, list[tuple[str, str, Json]]]) -> Iterator[str]:
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag.capitalize())}</h2><ul>"
        for _, _, operation in operations:
            yield f'<li><a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a></li>'
        yield "</ul>"
    yield '<h2><a href="#problems">Problems</a></h2><h2><a href="#documents">Documents</a></h2>'


def _operations(groups: Mapping[str, list[tuple[str, str, Json]]], schemas: Json) -> Iterator[str]:
    for tag, operations in groups.items():
        yield f"<h2>{escape(tag.capitalize())}</h2>"
        for path, method, operation in operations:
            yield "\n".join(_operation(path, method, operation, schemas))


def _operation(path: str, method: str, operation: Json, schemas: Json) -> Iterator[str]:
    yield f'<section id="{escape(operation["operationId"])}"><h3>{_text(operation["summary"])}</h3>'
    yield f'<p><code><span class="verb">{method.upper()}</span> {escape(path)}</code></p>'
    yield f'<p class="needs">{_needed(operation)}</p>'
    if "description" in operation:
        yield f"<p>{_text(operation['description'])}</p>"
    rows = [_parameter(one) for one in operation["parameters"]]
    rows += [_row(kind, "body", content["schema"], True, "") for kind, content in _body_of(operation)]
    yield from _table(("parameter", "in", "type", ""), rows)
    yield from _table(("status", "answer"), [_answer(*one) for one in operation["responses"].items()])
    yield f"<pre>{escape(curl_example(path, method, operation, schemas))}</pre></section>"


def _body_of(operation: Json) -> Iterator[tuple[str, Json]]:
    yield from operation.get("requestBody", {}).get("content", {}).items()


def _needed(operation: Json) -> str:
    if operation.get("security") == []:
        return "No token: the key in the address opens it."
    allowed = operation.get("x-permission")
    return f"Needs the permission <i>{escape(allowed)}</i>." if allowed else "Any token."


def _parameter(one: Json) -> str:
    about = one.get("description") or one["schema"].get("description", "")
    return _row(one["name"], one["in"], one["schema"], one["required"], about)


def _row(name: str, where: str, schema: Json, required: bool, about: str) -> str:
    needed = "required. " if required else ""
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(where)}</td><td>{_kind(schema)}</td>"
        f"<td>{needed}{_text(about)}</td></tr>"
    )


def _answer(status: str, answer: Json) -> str:
    schema = next((one["schema"] for one in answer.get("content", {}).values() if "schema" in one), None)
    shown = f" {_kind(schema)}" if schema else ""
    return f"<tr><td>{escape(status)}</td><td>{_text(answer['description'])}{shown}</td></tr>"


def _table(heads: tuple[str, ...], rows: list[str]) -> Iterator[str]:
    if rows:
        yield "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
        yield from rows
        yield "</table>"


def _problems() -> Iterator[str]:
    yield '<h2 id="problems">Problems</h2>'
    rows = [
        f'<tr id="{kind.anchor}"><td>{kind.status}</td><td><code>{kind.uri}</code></td><td>{kind.value.title}</td></tr>'
        for kind in Kind
    ]
    yield from _table(("status", "type", "means"), rows)


def _schemas(schemas: Json) -> Iterator[str]:
    yield '<h2 id="documents">Documents</h2>'
    for name, schema in schemas.items():
        yield f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>'
        if "description" in schema:
            yield f"<p>{_text(schema['description'])}</p>"
        if "enum" in schema:
            yield f"<p>{_kind(schema)}</p>"
        needed = schema.get("required", [])
        rows = [
            f"<tr><td><code>{escape(field)}</code></td><td>{_kind(one)}</td>"
            f"<td>{'' if field in needed else 'optional. '}{_text(one.get('description', ''))}</td></tr>"
            for field, one in schema.get("properties", {}).items()
        ]
        yield from _table(("field", "type", ""), rows)
        yield "</section>"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, with a link to a document that has a name."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(f"{schema.get('format') or schema.get('type', 'any')}{_bounds(schema)}")


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" ({low:,} to {high:,})"
    return f" (at most {schema['maxLength']:,} characters)" if "maxLength" in schema else ""


def _text(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
