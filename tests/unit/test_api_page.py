"""The description of the API that clients are made from is the one that the service gives, and is valid."""

import json
import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from ops.api.curl_example import curl_example
from ops.api.operations import api_operations
from ops.api.page import DOCS, document, files


def test_the_committed_pages_describe_the_operations_that_there_are() -> None:
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: make api"


def test_the_description_is_valid_openapi() -> None:
    errors = [str(error) for error in OpenAPIV31SpecValidator(document()).iter_errors()]
    assert errors == []


def test_every_operation_has_a_name_of_its_own_and_stands_on_the_page() -> None:
    operations = api_operations()
    assert len({one.id for one in operations}) == len(operations)
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    for one in operations:
        assert f"`{one.method} {one.path}`" in page
        assert one.tag, one.id
        assert one.summary, one.id


def test_links_on_the_page_lead_somewhere_and_nothing_comes_from_elsewhere() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    titles = {line.lstrip("# ").lower() for line in page.splitlines() if line.startswith("##")}
    assert set(re.findall(r"\(#([\w-]+)\)", page)) <= titles
    assert "https://" not in re.sub(r"```.*?```", "", page, flags=re.DOTALL), "examples hold addresses"


def test_every_reference_of_the_description_is_in_it() -> None:
    described = document()
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))
    assert names == set(described["components"]["schemas"])


def test_a_parameter_is_described_as_itself_and_the_example_of_events_can_be_typed() -> None:
    """One of two parameters is needed: without either the request is refused."""
    reads = document()["paths"]["/v1/events"]["get"]
    said = {one["name"]: one["schema"].get("description", "") for one in reads["parameters"]}
    assert said["since"].startswith("Instead of `after`")
    assert curl_example("/v1/events", "get", reads, {}).endswith('"$API/v1/events?after=oldest"')
