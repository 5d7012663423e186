"""The description of the API (OpenAPI 3.1), made from the types that judge what comes in."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from router.http.operations import Operation
from router.http.problems import MEDIA_TYPE, Problem

_IN_PATH = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{name}"
_TOKENS = "lead-router tokens create makes one"
_TENANT = {
    "name": "tenant",
    "in": "query",
    "required": False,
    "description": "The tenant's name; needed with a token that is for all tenants, else it has to be the token's own.",
    "schema": {"type": "string"},
}


def openapi(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document, in the order of the operations."""
    kinds = _types(operations)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of, components)
    _close_bodies(operations, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lead-router",
            "version": version,
            "description": "Puts every incoming sales lead into the hands of the right rep, exactly once.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": _named(operations, schema_of, components),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "lead-router tokens create"}
            },
        },
    }


def _types(operations: Sequence[Operation]) -> list[type[msgspec.Struct]]:
    found: dict[type[msgspec.Struct], None] = {Problem: None}
    for operation in operations:
        of = [operation.query, operation.body, *operation.answers.values()]
        found |= dict.fromkeys(one for one in of if one is not None)
        found |= dict.fromkeys(one for one in operation.media.values() if isinstance(one, type))
    return list(found)


def _close_bodies(
    operations: Sequence[Operation], schema_of: Mapping[type[msgspec.Struct], Any], components: dict[str, Any]
) -> None:
    """What a body has beside its fields is refused."""
    for operation in operations:
        if operation.body is not None:
            components[_name(schema_of[operation.body])]["additionalProperties"] = False


def _named(
    operations: Sequence[Operation], schema_of: Mapping[type[msgspec.Struct], Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    """Those that something refers to: the parameters of a query are listed one by one."""
    sent = {kind for operation in operations for kind in (operation.body, *operation.answers.values())}
    queries = {_name(schema_of[one.query]) for one in operations if one.query not in sent}
    return {name: schema for name, schema in sorted(components.items()) if name not in queries}


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _operation(
    operation: Operation, schema_of: Mapping[type[msgspec.Struct], Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        shown["description"] = operation.description
    if operation.tag:
        shown["tags"] = [operation.tag]
    shown["parameters"] = [*_path(operation), *_query(operation, schema_of, components), *_headers(operation)]
    content = {
        kind: {"schema": schema_of[schema] if isinstance(schema, type) else dict(schema)}
        for kind, schema in operation.media.items()
    }
    if operation.body is not None:
        content["application/json"] = {"schema": schema_of[operation.body]}
    if content:
        shown["requestBody"] = {"required": True, "content": content}
    if operation.permission is not None:
        shown["x-permission"] = operation.permission.value
    if operation.opened_by is not None:
        shown["security"] = []
    shown["responses"] = {
        **{str(status): _response(status, kind, schema_of) for status, kind in operation.answers.items()},
        "default": {
            "description": "Refused; the body says what is wrong",
            "content": {MEDIA_TYPE: {"schema": schema_of[Problem]}},
        },
    }
    return shown


def _response(status: int, kind: type[msgspec.Struct] | None, schema_of: Mapping[type[msgspec.Struct], Any]) -> Any:
    if kind is None:
        return {"description": "Done"}
    description = (kind.__doc__ or "").strip().splitlines()[0] or str(status)
    if status < web.HTTPBadRequest.status_code:
        return {"description": description, "content": {"application/json": {"schema": schema_of[kind]}}}
    # A problem that says more; other refusals may have the same status.
    schema = {"anyOf": [schema_of[kind], schema_of[Problem]]}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def _path(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _IN_PATH.findall(operation.path)
    ]


def _query(
    operation: Operation, schema_of: Mapping[type[msgspec.Struct], Any], components: Mapping[str, Any]
) -> list[dict[str, Any]]:
    schema = schema_of[operation.query]
    whole = components[_name(schema)]
    needed = whole.get("required", [])
    listed = [
        {"name": name, "in": "query", "required": name in needed, "schema": _not_null(one)}
        for name, one in whole.get("properties", {}).items()
    ]
    return [*listed, _TENANT] if operation.of_tenant else listed


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is left out; it is never null. What is said of the parameter goes before what is said of its kind."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    shown = {name: value for name, value in schema.items() if name != "anyOf" and (name, value) != ("default", None)}
    return {**shown, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}), **shown}


def _headers(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}
        for name, description in operation.request_headers.items()
    ]
