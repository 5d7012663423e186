"""The posts of `make bench`: as long as promised, and each a lead of its own."""

import json

from loadtest.bench.posts import BODY_BYTES, Address, numbered, request_template


def test_the_posts_that_are_measured_have_the_size_that_is_promised() -> None:
    head, _, body = request_template(Address(8381, "lr_token")).partition("\r\n\r\n")
    assert len(body) == BODY_BYTES
    assert f"Content-Length: {BODY_BYTES}" in head
    assert "Idempotency-Key: " in head


def test_no_two_posts_that_are_measured_are_the_same_lead_or_have_the_same_key() -> None:
    one, two = (numbered(request_template(Address(8381, "lr_token")), n).partition("\r\n\r\n") for n in (1, 2))
    assert one[0] != two[0]
    assert json.loads(one[2])["external_id"] != json.loads(two[2])["external_id"]
