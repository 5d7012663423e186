"""Why a file cannot be imported is said in Chinese on a Chinese page, by the name that people know the file by."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.api.import_files import as_fields
from ops.console.in_language import error_in
from ops.documents.file_import import CannotImport, ReadAs, open_leads
from ops.text.translation import ENGLISH, translator
from router.domain.worded import Worded, changed, parts_of, said_by, worded
from router.rules.mapping import FileMapping

HEAD = b"external_id,name\n"


def read_as(**more: str) -> ReadAs:
    return ReadAs(FileMapping(), **more)


@pytest.mark.parametrize(
    ("name", "content", "asked"),
    [
        ("a.csv", b"", read_as()),
        ("a.csv", HEAD + b'1,"never closed\n', read_as()),
        ("a.csv", HEAD + b"1,x\n" * 3, read_as(sheet="May")),
        ("a.csv", HEAD + b"1,x\n", read_as(encoding="latin-none")),
        ("a.csv", HEAD + b"1,x\n", read_as(delimiter="many")),
        ("a.csv", HEAD + b"1,\xff\xfe\xfd\n" * 5, read_as(encoding="utf-8")),
        ("a.csv", HEAD + b"1,a\0b\n", read_as(encoding="utf-8")),
        ("a.csv", HEAD + b'1,"' + b"x" * (1 << 20) + b'"\n', read_as()),
        ("a.docx", HEAD + b"1,x\n", read_as()),
        ("a.csv", b"<html><body>log in</body></html>", read_as()),
        ("a.xlsx", b"PK\x03\x04 cut off", read_as()),
        ("a.json", b'[{"external_id": "1"},', read_as()),
        ("a.json", b'{\n "external_id": "1"\n}\n', read_as()),
    ],
)
def test_why_a_file_cannot_be_imported_is_said_in_chinese(
    tmp_path: Path, name: str, content: bytes, asked: ReadAs
) -> None:
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(CannotImport) as refused:
        open_leads(path, asked, name).close()
    said = as_fields(said_by(refused.value))
    assert type(said) is Worded and "--" not in said
    job = SimpleNamespace(error=str(said), error_parts=json.loads(json.dumps(parts_of(said))))
    assert error_in(job, ENGLISH) == (said, "en")  # type: ignore[arg-type]
    shown, lang = error_in(job, translator("zh"))  # type: ignore[arg-type]
    assert lang == "" and re.search(r"[\u4e00-\u9fff]", shown), shown
    assert str(path) not in shown and (name in shown) == (name in said)
    assert not re.search(r"\b[a-z]+ [a-z]+ [a-z]+ [a-z]+\b", shown), shown


@given(st.text(max_size=9), st.text(max_size=9), st.integers(0, 9))
def test_a_changed_sentence_is_the_changed_text_whether_it_is_worded_or_not(name: str, other: str, line: int) -> None:
    said = worded("{file}:{line}: {why}", file=name, line=line, why=worded("not {other}", other=other))
    again = changed(said, lambda text: text.replace("a", "--"))
    assert again == str(said).replace("a", "--")
    assert changed(str(said), str.upper) == str(said).upper() and parts_of(changed(str(said), str.upper)) is None


def test_a_sentence_whose_own_words_are_changed_is_only_a_text() -> None:
    said = changed(worded("use --encoding for {file}", file="a"), lambda text: text.replace("--", ""))
    assert said == "use encoding for a" and parts_of(said) is None
