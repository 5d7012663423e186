"""Which legacy encoding a text is in, if only one makes sense of it: a wrong guess would store a wrong text. Pure.

Libraries that guess among a hundred encodings answer with something for every text. Here a text is recognised when
one encoding alone reads it as what people write in that language; otherwise the person is asked.
"""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

_OF_GB18030 = re.compile(rb"[\x81-\xfe][0-9][\x81-\xfe][0-9]")
"""Characters of other languages, spaces and emoji in four bytes: in other encodings they occur by chance only."""
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_PLAUSIBLE = 0.75
_GLUED = 0.4
_ERRORS = 0.02
_CLEARLY = 0.15
"""Of the characters, by how much more one reading must consist of frequent ones than the other."""
_FEW = 20
_FREQUENT_OF = ((8, 0.6), (_FEW, 0.4))
"""What part of so many characters at most is frequent in every text of that language, names included; of more, a
quarter. Other languages that are read as it have fewer."""
_FREQUENT = 0.25
_OF_ONE_ALPHABET = 0.9
_FEW_WORDS = 3
_MOST_RUSSIAN = 0.35

_FOUR = 4
_GB_LETTERS = 0xA8
_GB_SIGNS = (0xA1, 0xA2, 0xA3, _GB_LETTERS)
_SAME_SIGNS = re.compile("[\uff00-\uffef\u3000-\u3002āáǎàēéěèīíǐìōóǒòūúǔùüê]+")
"""Signs of GB 2312 that say nothing else in the other encodings, or are letters within Latin words."""

_HANZI = frozenset(
    "的一是不了在人有我他这中大来上个国和地到说时要就出会可也你对生能子那得于着下自之年过发后作里用道行所然家种事成方多"
    "经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日军者意无力它与长把机十民第公此已工使"
    "情明性知全三又关点正业外将两高间由问很最重并物手应向头文体政美相见被利什二等产新己制身果加西斯月话合回特代内信表化"
    "老给世位次度门任常先海通教东万气原接比报总平求建张王李刘陈杨赵黄周吴徐孙马朱胡林郭何罗郑梁谢宋唐许韩冯邓曹"
    "芳伟敏静丽强军杰勇娜艳涛超华北南京广深圳杭州武汉成都重庆苏沪浙江山河湖湾安售销客户商品市场价格电话询司有限公设备自"
    "科技贸易集团医疗教育金融网络软件系统服务咨区组线索请陈了解申城省县镇街道路号乡村州岛港澳台津冀晋辽吉黑皖闽赣鲁豫鄂湘粤桂琼川贵云陕甘青宁新蒙藏需购买数据线展经理是否备注姓名区域来源产品手机邮箱四五六七八九"
    "谷歌百微博抖音淘宝阿腾讯为字节快乎豆瓣搜狗条站官转介绍朋友板女士助秘采术研质检仓储流运输财计税律师筑装修房租赁酒店餐饮食鞋帽容健旅游航空汽车"
    "配械塑料橡胶钢铁色属矿燃水环保农牧渔院药器校培训幼儿园银险证券投资基告媒印刷包纺织具玩礼珠眼镜响乐书籍办耗材硬芯片半导卫星驾驶智慧算"
)
_HANGUL = frozenset(
    "이다는을가에의고하지은를한로어사기도인리자서나아시대해스정일부수보과라전구그있원유주제마안성장조공게여국상동우위무거진경요오"
    "들선신당관만미모세장민김박최강윤임한오서신권황송류홍전문양손배백허남심노하곽차영지현준호수희연은혜철석훈재회사부산울광천포트드"
    "소프웨어품개발영업팀컴퓨터문의합니다서울시청년월화"
)


class Guess(NamedTuple):
    """`encoding` (a name for `codecs`) is None where several are `likely`, or none."""

    encoding: str | None
    likely: tuple[str, ...]


def guess(lines: bytes) -> Guess:
    """What the lines, which hold more than ASCII and are not UTF-8, are encoded in."""
    if lines != (lines := _OF_GB18030.sub(b" ", lines)) and lines.isascii():
        return Guess("gb18030", ("gb18030",))
    runs = _HIGH_RUN.findall(lines)
    if not runs or not _read(lines, "gb18030")[0]:
        return Guess(None, ())
    if _is_glued(lines):
        return _latin(lines)
    fitting = [name for name, fits in _EAST_ASIAN.items() if fits(lines)]
    return _of_east_asia(lines, fitting) if fitting else _of_others(lines, runs)


def _of_east_asia(lines: bytes, fitting: list[str]) -> Guess:
    if set(fitting) <= {"gb18030", "cp949"}:
        return _chinese_or_korean(lines)
    return Guess(fitting[0] if len(fitting) == 1 else None, tuple(fitting))


def _of_others(lines: bytes, runs: list[bytes]) -> Guess:
    if _is_cyrillic(lines):
        return Guess("cp1251", ("cp1251",))
    latin = _latin(lines)
    if latin.encoding and all(len(run) == 1 for run in runs):
        return latin
    return Guess(None, tuple(dict.fromkeys([*_decodable(lines), *latin.likely])))


def _is_glued(lines: bytes) -> bool:
    """Whether most high bytes stand alone or in twos within words of Latin letters, as accented letters do."""
    runs = glued = 0
    for found in _HIGH_RUN.finditer(lines):
        before, after = lines[found.start() - 1 : found.start()], lines[found.end() : found.end() + 1]
        runs += 1
        # Accented letters of GB 2312 stand within Latin words, too.
        if len(found[0]) > 2 or (len(found[0]) == 2 and found[0][0] == _GB_LETTERS):
            continue
        sides = before.isalpha() + after.isalpha()
        # "A" + Chinese + "B" is rare; a single high byte within a word is never a whole character of two bytes ...
        glued += sides == 2 if len(found[0]) == 2 else before.isalpha() or (after.islower() and not before.isalnum())
    return glued >= _GLUED * runs and not _pairs_explain(lines)


def _pairs_explain(lines: bytes) -> bool:
    """... except where second bytes are letters, as in Big5 and Shift-JIS."""
    return any(_EAST_ASIAN[name](lines) for name in ("big5", "cp932"))


def _read(lines: bytes, encoding: str) -> tuple[list[str], float]:
    """The characters that are not ASCII (spaces and emoji say nothing), and the share of what cannot be read."""
    text = [
        s for s in lines.decode(encoding, "replace") if not s.isascii() and s not in "\u00a0\u3000" and s < "\U00010000"
    ]
    return text, text.count("\ufffd") / max(1, len(text))


def _usual(lines: bytes, encoding: str, is_usual: Callable[[int, int], bool]) -> bool:
    """Whether the encoding reads the lines, as characters most of which its users write often."""
    text, errors = _read(lines, encoding)
    if errors > _ERRORS or not text:
        return False
    # Characters of four bytes are those of all other languages in GB18030, and occur by chance in no other encoding.
    codes = [code for sign in text if len(code := sign.encode(encoding, "ignore")) != _FOUR]
    usual = sum(len(code) == len("ab") and is_usual(code[0], code[1]) for code in codes)
    return len(codes) > 0 and usual >= _PLAUSIBLE * len(codes)


def _gb(lines: bytes) -> bool:
    """The 3,755 frequent characters of GB 2312 and its signs; with kana it is Japanese (EUC-JP)."""
    return _usual(lines, "gb18030", lambda a, b: b >= 0xA1 and (0xB0 <= a <= 0xD7 or a in _GB_SIGNS))


def _korean(lines: bytes) -> bool:
    return _usual(lines, "cp949", lambda a, b: b >= 0xA1 and 0xB0 <= a <= 0xC8)


def _big5(lines: bytes) -> bool:
    text, _ = _read(lines, "big5")
    low = sum(sign.encode("big5", "ignore")[-1:] < b"\x80" for sign in text)
    # Two of five characters have a second byte that is ASCII: only then is it told apart from the others.
    return low > 0 and _usual(lines, "cp950", lambda a, _: 0xA1 <= a <= 0xC6)


def _shift_jis(lines: bytes) -> bool:
    return _usual(lines, "cp932", lambda a, _: 0x81 <= a <= 0x83 or 0x88 <= a <= 0x97)


def _euc_jp(lines: bytes) -> bool:
    text, errors = _read(lines, "euc_jp")
    kana = sum("\u3040" <= sign <= "\u30ff" for sign in text)
    return errors <= _ERRORS and kana * 5 >= len(text) > 0


_EAST_ASIAN: dict[str, Callable[[bytes], bool]] = {
    "gb18030": _gb,
    "cp949": _korean,
    "big5": _big5,
    "cp932": _shift_jis,
    "euc_jp": _euc_jp,
}


def _chinese_or_korean(lines: bytes) -> Guess:
    """Every Korean text in EUC-KR is one in GB 2312, too: frequent characters decide."""
    if _SAME_SIGNS.fullmatch("".join(_read(lines, "gb18030")[0])):
        return Guess("gb18030", ("gb18030",))
    shares = {}
    for encoding, frequent in (("gb18030", _HANZI), ("cp949", _HANGUL)):
        text = [sign for sign in _read(lines, encoding)[0] if "\u3400" <= sign < "\uff00" and sign.isalpha()]
        shares[encoding] = sum(sign in frequent for sign in text) / max(1, len(text))
    best, other = sorted(shares, key=shares.__getitem__, reverse=True)
    some = next((share for most, share in _FREQUENT_OF if len(text) <= most), _FREQUENT)
    clear = shares[best] >= max(shares[other] + _CLEARLY, some)
    return Guess(best if clear else None, (best, other))


def _is_cyrillic(lines: bytes) -> bool:
    """Windows-1251: nearly only letters, and the six most frequent of Russian are a third of them."""
    high = Counter(byte for byte in lines if byte >= 0x80)
    total = high.total()
    letters = sum(count for byte, count in high.items() if byte >= 0xC0 or byte in (0xA8, 0xB8))
    small = sum(count for byte, count in high.items() if byte >= 0xE0)
    frequent = sum(high[byte] for byte in "оеаинт".encode("cp1251"))
    runs = _HIGH_RUN.findall(lines)
    # Short words, as the accented letters of a Latin text are, say nothing.
    long = sum(len(run) for run in runs if len(run) >= _FEW_WORDS)
    # Hebrew in its code page has no capitals.
    capitals = sum(run[0] < 0xE0 for run in runs)
    if 10 * capitals < len(runs):
        return False
    return letters >= 0.95 * total and 2 * small >= total and long >= 0.6 * total and frequent >= _MOST_RUSSIAN * total


_SIGNS = frozenset("€‚„…‘’“”•–—™¡£§©ª«®°±²³·¹º»¼½¾¿´\u00a0")
_ALPHABETS = tuple(
    frozenset(letters + letters.upper())
    for letters in (
        *("äöüßé", "àâæçéèêëîïôœùûüÿ", "áéíñóúü", "áàâãçéêíóôõú", "àèéìíòóù", "éëïóöüèê"),
        *("åäöé", "æøåé", "àéèíïóòúüç"),
    )
)
_WESTERN = frozenset().union(*_ALPHABETS)


def _latin(lines: bytes) -> Guess:
    """Windows-1252 where the letters are those of one western language; else the family, as the person knows it."""
    likely = ("cp1252", "cp1250", "cp1254", "cp1251")
    text, errors = _read(lines, "cp1252")
    letters = [sign for sign in text if sign not in _SIGNS]
    if errors or not all(sign in _WESTERN for sign in letters):
        return Guess(None, likely)
    if not letters:
        return Guess(None if _signs_between_letters(lines) else "cp1252", likely)
    one = max(sum(sign in alphabet for sign in letters) for alphabet in _ALPHABETS)
    clear = one >= _OF_ONE_ALPHABET * len(letters) and not _signs_between_letters(lines)
    if len(letters) <= _FEW and _RARE_PAIR.search(lines.decode("cp1252", "replace")):
        clear = False
    return Guess("cp1252" if clear else None, likely)


_FOREIGN_SIGN = re.compile(
    r"\w[£ª³¹º¿¼¾½¡][a-zà-ÿ]|[a-zà-ÿ][À-Þ]|[à-ÿ][A-Z]"
    # Hungarian and Romanian letters: Portuguese has these two only before some others.
    r"|õ(?!e)|ã(?![oesn]|\b)"
)


_RARE_PAIR = re.compile(r"(?!çã|çõ|çû|éé|[äöü]ß|úñ|ñ[áéíóú])[à-ÿ]{2}", re.IGNORECASE)
"""Two accented letters in a row, which few words have: in a short text they may be one Chinese character."""


def _signs_between_letters(lines: bytes) -> bool:
    """Whether a sign or a capital stands within a word: then it is a letter of another encoding."""
    text = lines.decode("cp1252", "replace")
    return _FOREIGN_SIGN.search(text) is not None


def _decodable(lines: bytes) -> tuple[str, ...]:
    return tuple(name for name in ("gb18030", "big5", "cp932", "cp949") if _read(lines, name)[1] <= _ERRORS)
