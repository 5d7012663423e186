"""An example with curl for each operation of the description. Pure."""

import json
import shlex
from typing import Any

Json = dict[str, Any]

METHODS = ("get", "put", "post", "patch", "delete", "options")
_SAMPLES = {
    "lead": "4711",
    "rep": "r017",
    "customer": "4711",
    "merge": "17",
    "version": "12",
    "webhook": "1",
    "source": "website",
    "token": "3f9c01aa",
    "job": "5f0e",
    "event": "evt_1042_17",
    "key": "lrs_1_8RZkqv0cV7yNTqR2mKb3Jw",
}
_TEXTS = {
    "application/yaml": "rules.yaml",
    "text/csv": "reps.csv",
    "application/x-www-form-urlencoded": "form.txt",
}


def curl_example(path: str, method: str, operation: Json, schemas: Json) -> str:
    """The command for an operation of the description; `$API` is the address, `$TOKEN` the token."""
    for name, sample in _SAMPLES.items():
        path = path.replace(f"{{{name}}}", sample)
    query = [
        f"{one['name']}={_sample(one['schema'], one['name'], schemas)}"
        for one in operation["parameters"]
        if one["in"] == "query" and (one["required"] or "examples" in one["schema"])
    ]
    where = f'"$API{path}' + (f"?{'&'.join(query)}" if query else "") + '"'
    token = [] if operation.get("security") == [] else ['-H "Authorization: Bearer $TOKEN"']
    words = ["curl", *([] if method == "get" else ["-X", method.upper()]), *token]
    return " ".join([*words, *_body(operation, schemas), where])


def _body(operation: Json, schemas: Json) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    if content.get("application/json", {}).get("schema"):
        body = _sample(content["application/json"]["schema"], "", schemas)
        return ["--json", shlex.quote(json.dumps(body, ensure_ascii=False))]
    if "multipart/form-data" in content and len(content) == 1:
        return ["-F file=@leads.csv", "-F dry_run=true"]
    for kind in content:
        return [f"-H 'Content-Type: {kind}'", "--data-binary", f"@{_TEXTS.get(kind, 'FILE')}"]
    return []


def _sample(schema: Json, name: str, schemas: Json) -> Any:
    """A value that the schema takes: of an object what is needed, else its first two fields."""
    if "$ref" in schema:
        return _sample(schemas[schema["$ref"].rpartition("/")[2]], name, schemas)
    if name == "role":
        return "intake"
    for key in ("examples", "enum", "anyOf"):
        if key in schema:
            first = schema[key][0]
            return _sample(first, name, schemas) if key == "anyOf" else first
    if schema.get("type") == "object":
        fields = schema.get("properties", {})
        wanted = schema.get("required") or list(fields)[:2]
        return {one: _sample(fields[one], one, schemas) for one in wanted}
    if schema.get("format") == "date-time":
        return "2026-03-31T09:30:00+08:00"
    texts = {"why": "CRM upgrade", "to": "r017", "rep": "r017", "name": "acme", "note": "asked for her"}
    values = {"array": [], "integer": max(1, schema.get("minimum", 1)), "number": 1, "boolean": True}
    values["integer"] = 1800 if name == "seconds" else values["integer"]
    return values.get(schema.get("type", "string"), texts.get(name, "text"))
