"""Writes `docs/openapi.json` and `docs/api.md` from the operations; `--check` compares them instead."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.api.curl_example import METHODS, curl_example
from ops.api.operations import API_VERSION, api_operations
from ops.text.made_files import write_or_compare
from router.http.openapi import openapi
from router.http.problems import Kind

Json = dict[str, Any]

DOCS = Path(__file__).parents[2] / "docs"
_HEAD = """# The HTTP API

Written by `make api` from the types that judge what comes in; do not edit. The same for machines is
[openapi.json](openapi.json), and on a running service `/openapi.json`; for browsers it has `/docs`.

Every request carries a token, but for those that say so: `Authorization: Bearer TOKEN` (`lead-router tokens create`
makes one). A token is for one tenant, or for all of them: then `?tenant=NAME` says which one. What is refused is a
problem (RFC 9457, `application/problem+json`): `status`, `detail`, and in `errors` a pointer to every value that is
wrong; its `type` ends in one of the names under [Problems](#problems). Lists come in pages: `limit` is how many at
most, `next` of one page is `after` of the following one.

In the examples `API` is the address, such as `http://127.0.0.1:8080`, and `TOKEN` the token.
"""


def document() -> Json:
    """The description, with the version of the API, not of the release: it changes when the API does."""
    return openapi(api_operations(), API_VERSION)


def as_text(described: Json) -> str:
    """As it is committed."""
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def page(described: Json) -> str:
    """The page for people, by tag."""
    schemas = described["components"]["schemas"]
    by_tag: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                [tag, *_] = operation.get("tags", ["other"])
                lines = "\n".join(_operation(path, method, operation, schemas))
                by_tag.setdefault(tag, []).append(lines)
    parts = [f"## {tag.capitalize()}\n\n" + "\n\n".join(operations) for tag, operations in by_tag.items()]
    names = [f"### {name}\n\n" + "\n".join(_schema(schema)) for name, schema in schemas.items()]
    problems = "\n\n".join(f"### {kind.anchor}\n\n{kind.value.title} ({kind.status})." for kind in Kind)
    sections = ["\n\n".join(parts), "## Problems", problems, "## Documents", "\n\n".join(names)]
    return _HEAD + "\n" + "\n\n".join(sections) + "\n"


def _operation(path: str, method: str, operation: Json, schemas: Json) -> Iterator[str]:
    yield f"### {operation['summary']}"
    yield ""
    yield f"`{method.upper()} {path}`"
    yield ""
    yield _needed(operation)
    if "description" in operation:
        yield operation["description"]
    yield from _parameters(operation)
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"- body: `{kind}`, {_kind(content['schema'])}"
    for status, answer in operation["responses"].items():
        if status != "default":
            [content] = answer.get("content", {"": {}}).values() or [{}]
            yield f"- answers {status}: {_kind(content['schema']) if 'schema' in content else answer['description']}"
    yield ""
    yield "```sh"
    yield curl_example(path, method, operation, schemas)
    yield "```"


def _needed(operation: Json) -> str:
    if operation.get("security") == []:
        return "No token: the key in the address is that of a source ([forms and webhooks](doors.md))."
    allowed = operation.get("x-permission")
    return f"Needs the permission *{allowed}*." if allowed else "Any token."


def _parameters(operation: Json) -> Iterator[str]:
    yield ""
    for one in operation["parameters"]:
        if one["name"] == "tenant":
            continue
        about = one.get("description") or one["schema"].get("description", "")
        needed = ", needed" if one["required"] and one["in"] != "path" else ""
        words = f": {about}" if about else ""
        yield f"- {one['in']} `{one['name']}`, {_kind(one['schema'])}{needed}{words}"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, with a link to a document that has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    kind = schema.get("format") or schema.get("type", "any")
    return f"{kind}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" ({low:,} to {high:,})"
    if "maxLength" in schema:
        return f" (at most {schema['maxLength']:,} characters)"
    return ""


def _schema(schema: Json) -> Iterator[str]:
    if "description" in schema:
        yield schema["description"]
        yield ""
    needed = schema.get("required", [])
    for name, one in schema.get("properties", {}).items():
        about = f": {one['description']}" if "description" in one else ""
        yield f"- `{name}`{'' if name in needed else ' (may be left out)'}, {_kind(one)}{about}"
    if "enum" in schema:
        yield ", ".join(f"`{one}`" for one in schema["enum"])


def files() -> dict[Path, str]:
    """What belongs into which file."""
    described = document()
    return {DOCS / "openapi.json": as_text(described), DOCS / "api.md": page(described)}


def main() -> int:
    return write_or_compare(files(), "make api", check="--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
