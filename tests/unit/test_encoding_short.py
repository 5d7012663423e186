"""Files with a word or two that are not ASCII: recognised where one encoding alone makes sense, or asked for."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.intake.encoding_guess import guess
from router.intake.lead_file import FileUnusable, LeadFile

WORDS = {
    "cp874": "กรุงเทพ สมชาย สุขุมวิท บริษัท ประเสริฐ รัตนา ไทย ดี เลย",
    "big5": "台北 陳小明 林志玲 中環 彰化 趙 游 方 李 香港 股份有限公司 張惠妹 王大明",
    "gb18030": "北京 上海 王伟 付 秦 有限公司 王芳 陈小明 工业 客户",
    "cp949": "김민수 서울 부산 회사 최 자동차",
    "cp932": "東京 田中 さくら カタカナ 株式会社",
    "euc_jp": "東京 田中 さくら カタカナ 株式会社",
    "cp1251": "Москва Иван Сидорова Казань",
    "koi8_r": "Москва Сидорова Автомобили Торговля",
    "cp866": "Москва Сидорова Казань",
    "iso8859_5": "Москва Иван Казань",
    "cp1250": "Plzeň Řehoř Kateřina Šárka Ondřej Gdańsk Paweł Wrocław Zając Dąbrowa Świętokrzyskie Szűcs Gyűrű Čović",
    "iso8859_2": "Žižkov Śląsk Wrocław Zając Łódź",
    "cp1254": "İstanbul Şişli Yıldız Doğan",
    "cp1253": "Αθήνα Γιώργος Πάτρα",
    "cp1255": "ירושלים כהן",
    "cp1256": "القاهرة الرياض محمد",
    "cp1257": "Rīga Ķekava Jūrmala Kęstutis Čiurlionis",
    "cp1252": "München José Muñoz Conceição Hélène Århus Málaga Ägypten Søren",
    "mac_roman": "München Straße García Muñoz São Conceição",
    "cp850": "München José García Peña Malmö Hélène",
}
ALL = [(encoding, word) for encoding, words in WORDS.items() for word in words.split()]
AROUND = ("1;{};x\n", "1,web,2026-03-02,{},+8613812345678\n", "7;{} GmbH;x\n", "Herr {}\n")


@pytest.mark.parametrize(("encoding", "word"), ALL)
def test_a_file_with_one_word_is_never_stored_as_another_text(encoding: str, word: str) -> None:
    for around in AROUND:
        data = around.format(word).encode(encoding)
        found = guess(data).encoding
        assert found is None or data.decode(found) == around.format(word), found


@pytest.mark.parametrize("encoding", sorted(WORDS))
def test_neither_is_one_with_two(encoding: str) -> None:
    for one, other in product(WORDS[encoding].split(), repeat=2):
        text = f"0;{one};x\n1;{other};x\n"
        found = guess(text.encode(encoding)).encoding
        assert found is None or text.encode(encoding).decode(found) == text, (text, found)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(WORDS)), st.data())
def test_neither_is_one_with_a_few(encoding: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from(WORDS[encoding].split()), min_size=1, max_size=6))
    text = "".join(f"{number};{word};x\n" for number, word in enumerate(words))
    found = guess(text.encode(encoding)).encoding
    assert found is None or text.encode(encoding).decode(found) == text, found


def test_a_few_words_of_an_old_mac_are_not_japanese() -> None:
    assert guess("0;García;x\n1;São;x\n2;São;x\n".encode("mac_roman")).encoding is None


ROWS = {
    "big5": "台北 陳小明 高雄 林志玲 新竹 王大明 香港 客戶",
    "gb18030": "北京 王伟 上海 张丽 广州 李娜 深圳 有限公司",
    "cp949": "김민수 서울 이영희 부산 박지성 인천 회사 고객",
    "cp932": "東京 田中 大阪 佐藤 さくら 株式会社",
    "cp1251": "Москва Иван Петров Ольга Казань Анна Торговля",
    "cp1252": "München Müller Köln Düsseldorf Straße Größe",
}


@pytest.mark.parametrize("encoding", sorted(ROWS))
def test_a_file_with_some_rows_is_recognised(encoding: str) -> None:
    text = "".join(f"{number};{word};x\n" for number, word in enumerate(ROWS[encoding].split()))
    assert guess(text.encode(encoding)).encoding == encoding


@pytest.mark.parametrize(("encoding", "word"), [*product(["cp874", "big5"], ["name", "region"])])
def test_the_person_is_asked_and_what_they_say_is_right(tmp_path: Path, encoding: str, word: str) -> None:
    text = {"cp874": "กรุงเทพ", "big5": "中環"}[encoding]
    path = tmp_path / "leads.csv"
    path.write_bytes(f"external_id,{word}\n1,{text}\n".encode(encoding))
    with pytest.raises(FileUnusable, match="--encoding") as asked, LeadFile(path):
        pass
    likely = {"cp874": "CP874", "big5": "Big5"}[encoding]
    assert likely in str(asked.value)
    with LeadFile(path, encoding=encoding) as file:
        assert [row.cells[word] for row in file.rows()] == [text]
