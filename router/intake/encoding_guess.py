"""Which legacy encoding a text is in, if only one makes sense of it: a wrong guess would store a wrong text. Pure.

Libraries that guess among a hundred encodings answer with something for every text. Here a text is recognised when
one encoding alone reads it as what people write in that language; otherwise the person is asked.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
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

_ENOUGH = 4
"""Different characters that decide between languages whose texts read as each other."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
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
    "彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石贾夏韦付方邹熊白孟秦邱侯尹薛闫雷龙黎史陶毛郝顾龚邵钱覃戴严莫孔向汤康易乔牛倪"
    "志刚磊鹏飞波斌辉宇浩轩博涵雨欣怡梓佳琪颖婷雪梅兰英秀珍玲红霞燕莉萍娟洋阳晨晓春秋冬凯旭峰岩森鑫亮俊哲昊睿帆洁倩雯婕"
    "配械塑料橡胶钢铁色属矿燃水环保农牧渔院药器校培训幼儿园银险证券投资基告媒印刷包纺织具玩礼珠眼镜响乐书籍办耗材硬芯片半导卫星驾驶智慧算"
)
_TRADITIONAL = frozenset(
    "的一是不了在人有我他這中大來上個國和地到說時要就出會可也你對生能子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定"
    "天分還進好小部其些主樣理心本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重物手應向頭文體政美相見"
    "二等產新己制身加西月話合回特代內信表化老給世位次度門任常先海通教東萬氣原接比總平求建張王李劉陳楊趙黃周吳徐孫馬朱胡林郭何羅鄭梁謝宋唐許韓馮鄧曹"
    "蔡曾彭蘇盧葉呂魏蔣田杜丁沈姜范江傅鍾汪戴崔任陸廖姚方金邱夏譚韋賈鄒石熊孟秦閻薛侯雷白龍段郝孔邵史毛常萬顧賴武康賀嚴尹錢施牛洪龔游詹簡翁柯余潘莊"
    "芳偉敏靜麗強軍傑娜豔濤超華北南京廣深圳州漢都重慶浙江山河湖灣安售銷客戶商品市場價格電話詢司限設備科技貿易集團醫療育融網路軟系統服務諮區組線"
    "索請解申城省縣鎮街號鄉村島港澳台臺津買數據展理否註姓名域源手郵箱四五六七八九字節樂條站官轉介紹朋友板女士助祕採購術研質檢倉儲流運輸財計稅律師"
    "築裝修房租酒店餐飲食鞋帽容健旅游遊航空汽車械塑料鋼鐵色屬礦燃水環保農牧漁院藥器校培訓幼兒園銀險證券投資基告媒印刷包紡織具玩禮珠眼鏡響書籍辦材硬"
    "彰桃園新竹苗栗南投雲嘉義屏宜蘭花蓮基隆高雄中壢九龍旺角沙田元朗銅鑼尖咀荃葵仔柴筲箕觀塘將軍澳荔枝角"
)
_JAPANESE = frozenset(
    "日本東京大阪名古屋横浜神戸福岡札幌仙台広島北海道県市区町村田中山川藤佐鈴木高橋伊渡辺小林加吉松井上村斎清水池石原岡野島谷和株式会社有限営業部電話番号"
    "氏様方住所担当者製品問合見積注文資料請求希望商製造医療教育金融保険不動産旅行食品機械電子情報通信技術開発設計建設工事物流運輸自車人事総務経理法科学"
) | frozenset(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))
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
    found = _guess(lines)
    if found.encoding is None and _is_thai(lines):
        text = _read(lines, "gb18030")[0]
        chinese = sum(sign in _HANZI for sign in text) * 2 > len(text)
        return Guess(None, (*found.likely[:3], "cp874") if chinese else ("cp874", *found.likely))
    return found


def _guess(lines: bytes) -> Guess:
    lines, of_four = _OF_GB18030.subn(b" ", lines)
    if of_four and (lines.isascii() or (of_four > 1 and _gb(lines))):
        return Guess("gb18030", ("gb18030",))
    runs = _HIGH_RUN.findall(lines)
    if not runs or not _read(lines, "gb18030")[0]:
        return Guess(None, ())
    if _is_glued(lines):
        return _latin(lines)
    fitting = [name for name, fits in _EAST_ASIAN.items() if fits(lines)]
    return _of_east_asia(lines, fitting) if fitting else _of_others(lines, runs)


def _of_east_asia(lines: bytes, fitting: list[str]) -> Guess:
    if _glued_to_latin(lines, fitting[0]):
        return Guess(None, (*fitting, "cp1252", "cp1250"))
    readings = [name for name in _EAST_ASIAN if name in fitting or (name in _RIVALS and _RIVALS[name](lines))]
    if len(readings) == 1:
        return Guess(readings[0] if _is_sure(lines, readings[0]) else None, tuple(readings))
    if min(len(set(_read(lines, name)[0])) for name in readings) < _ENOUGH and not _only_signs(lines, fitting):
        # A character or two make sense in several of these languages.
        return Guess(None, tuple(readings))
    if set(fitting) <= {"gb18030", "cp949"}:
        return _chinese_or_korean(lines, readings)
    if len(fitting) > 1 or _another_is_as_usual(lines, fitting[0], readings):
        return Guess(None, tuple(fitting))
    return Guess(fitting[0], tuple(fitting))


def _another_is_as_usual(lines: bytes, encoding: str, readings: Collection[str]) -> bool:
    """Whether, in a short text, another reading has as many frequent characters: `彰化 中環` is no `骨て い泉`."""
    if len(set(_read(lines, encoding)[0])) > _FEW:
        return False
    rivals = (_frequent_share(lines, name) for name in readings if name != encoding)
    return max(rivals, default=0.0) >= _frequent_share(lines, encoding)


def _frequent_share(lines: bytes, encoding: str) -> float:
    frequent = _JAPANESE if encoding == "cp932" else _FREQUENT_IN[encoding]
    text = [sign for sign in _read(lines, encoding)[0] if not _SAME_SIGNS.fullmatch(sign)]
    return sum(sign in frequent for sign in text) / max(1, len(text))


def _is_sure(lines: bytes, encoding: str) -> bool:
    """Whether a text that only this encoding of East Asia explains is no word of another script, such as Thai."""
    text = [sign for sign in _read(lines, encoding)[0] if not _SAME_SIGNS.fullmatch(sign)]
    distinct = set(text)
    if not distinct:
        return True
    frequent = _JAPANESE if encoding == "cp932" else _FREQUENT_IN[encoding]
    if len(distinct) > _FEW or (encoding == "big5" and _big5(lines)):
        return len(distinct) > 1
    return len(distinct) > 1 and sum(sign in frequent for sign in text) >= _FREQUENT_OF[0][1] * len(text)


def _only_signs(lines: bytes, fitting: list[str]) -> bool:
    return set(fitting) <= {"gb18030", "cp949"} and bool(_SAME_SIGNS.fullmatch("".join(_read(lines, "gb18030")[0])))


def _glued_to_latin(lines: bytes, encoding: str) -> bool:
    """Whether, in a short text, most of what is not ASCII stands beside small Latin letters: `Šárka` is no `眼rka`."""
    text = lines.decode(encoding, "replace")
    signs = encoding in ("gb18030", "cp949")
    runs = [found for found in _NOT_ASCII.finditer(text) if not signs or not _SAME_SIGNS.fullmatch(found[0])]
    if len(runs) > _FEW:
        return False
    beside = (text[one.start() - 1 : one.start()] + text[one.end() : one.end() + 1] for one in runs)
    glued = sum(any(sign.isascii() and sign.islower() for sign in signs) for signs in beside)
    return 0 < len(runs) <= glued * 2


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


_RIVALS: dict[str, Callable[[bytes], bool]] = {
    "big5": lambda lines: _usual(lines, "cp950", lambda a, _: 0xA4 <= a <= 0xC6),
    "euc_jp": lambda lines: _usual(lines, "euc_jp", lambda a, _: a in (0xA4, 0xA5) or 0xB0 <= a <= 0xCF),
    "gb18030": _gb,
    "cp949": _korean,
}
"""What a text may be in as well, though nothing in it speaks for that alone."""
_FREQUENT_IN = {"gb18030": _HANZI, "cp949": _HANGUL, "big5": _TRADITIONAL, "euc_jp": _JAPANESE}


def _chinese_or_korean(lines: bytes, readings: Collection[str]) -> Guess:
    """Every Korean text in EUC-KR is one in GB 2312, too, and short ones in others: frequent characters decide."""
    if _SAME_SIGNS.fullmatch("".join(_read(lines, "gb18030")[0])):
        return Guess("gb18030", ("gb18030",))
    shares = {}
    for encoding, frequent in _FREQUENT_IN.items():
        if encoding not in ("gb18030", "cp949", *readings):
            continue
        text = [sign for sign in _read(lines, encoding)[0] if "\u3400" <= sign < "\uff00" and sign.isalpha()]
        shares[encoding] = sum(sign in frequent for sign in text) / max(1, len(text))
    best, other, *_ = sorted(shares, key=shares.__getitem__, reverse=True)
    some = next((share for most, share in _FREQUENT_OF if len(text) <= most), _FREQUENT)
    clear = shares[best] >= max(shares[other] + _CLEARLY, some)
    return Guess(best if clear else None, (best, other))


_CAPITAL_WITHIN = re.compile(rb"[\xe0-\xff\xb8][\xc0-\xdf\xa8]")


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
    # A capital behind a small letter: Greek in its code page.
    if sum(_CAPITAL_WITHIN.search(run) is not None for run in runs) * 10 > len(runs):
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
    foreign = len(_FOREIGN_CONTEXT.findall(words := lines.decode("cp1252", "replace")))
    few = len(letters) <= _FEW
    if foreign > (0 if few else _FOREIGN * len(letters)) or (few and _stray_quotes(words)):
        return Guess(None, likely)
    if not letters:
        return Guess(None if _signs_between_letters(lines) else "cp1252", likely)
    one = max(sum(sign in alphabet for sign in letters) for alphabet in _ALPHABETS)
    clear = one >= _OF_ONE_ALPHABET * len(letters) and not _signs_between_letters(lines)
    if few and (_RARE_PAIR.search(words) or not (_WESTERN_ONLY if _ELSEWHERE.search(words) else _SURE).search(words)):
        clear = False
    return Guess("cp1252" if clear else None, likely)


_FOREIGN = 0.05
_FOREIGN_CONTEXT = re.compile(
    # Letters of Central Europe, the Baltic and of other systems, where western languages never have the sign.
    r"ñ(?![aeiouáéíóúü])|è(?=[aeiouáéíóú])|\bè(?=\w)|ø(?=[aeiouyáéíóúýø])|(?<=[aeiouyáéíóúý])ø|[ìò](?=[aeiouáéíóú])"
    r"|ì(?=\w)|(?<=e)ò|æ\b|ç(?=[bcdfghjklmnpqrstvwxz])|(?<![aeiouáéíóúâäöüî])ë|(?<![aeiouáéíóúâäöü])ï"
    r"|\bí(?=[aeiou])|õ(?!e)|œ(?!u)|£(?=[a-zà-ÿ])|(?<=\w\w)[£³¹¼½¾¡¥]|(?<=[a-z])[‚„]|(?<=\w)[“”](?=\w)|(?<=\w)[–—](?=[a-z])"
    r"|(?<=\w)\u00a0(?=[a-z])|(?<=[b-df-hj-np-tv-z])’(?!(?:s|t|re|ll|ve|d|m)\b)(?<!\b\w’)(?<!\bqu’)|ÿ(?=\w)",
    re.IGNORECASE,
)
"""In a short text one of them is too many, in a long one a share of the letters."""
_SURE = re.compile(r"[äöüßéáóíúøåëïèçô]|ñ|ã[oe]|õe", re.IGNORECASE)
"""Signs that are the same in the encodings of Central Europe, or that their context shows to be western."""
_ELSEWHERE = re.compile(r"[ûêîâæàòìù]", re.IGNORECASE)
"""These are frequent letters of the Baltic, Hungary or Poland in their encodings."""
_WESTERN_ONLY = re.compile(r"[çèïøå]|ñ|ã[oe]|õe|œu", re.IGNORECASE)


def _stray_quotes(words: str) -> bool:
    """Whether there is a closing quotation mark without any that opens: a letter of an old system."""
    return "”" in words and not any(sign in words for sign in "“„")


_FOREIGN_SIGN = re.compile(
    r"\w[£ª³¹º¿¼¾½¡][a-zà-ÿ]|[a-zà-ÿ][À-ÞŸŒ]|[à-ÿ][A-Z]|[A-Z][À-ÞŸŒ][a-z]"
    # Hungarian and Romanian letters: Portuguese has these two only before some others.
    r"|õ(?!e)|ã(?![oesn]|\b)"
)


_RARE_PAIR = re.compile(r"(?!çã|çõ|çû|éé|[äöü]ß|úñ|ñ[áéíóú])[à-ÿ]{2}", re.IGNORECASE)
"""Two accented letters in a row, which few words have: in a short text they may be one Chinese character."""


def _signs_between_letters(lines: bytes) -> bool:
    """Whether a sign or a capital stands within a word: then it is a letter of another encoding."""
    text = lines.decode("cp1252", "replace")
    return _FOREIGN_SIGN.search(text) is not None


def _is_thai(lines: bytes) -> bool:
    """Whether the lines may be Thai: every run is of its letters, and begins with none that stands above another."""
    text = lines.decode("cp874", "replace")
    runs = [found[0] for found in _NOT_ASCII.finditer(text)]
    return all("\u0e01" <= sign <= "\u0e5b" for run in runs for sign in run) and not any(
        "\u0e30" <= run[0] <= "\u0e3a" or run[0] >= "\u0e47" for run in runs
    )


def _decodable(lines: bytes) -> tuple[str, ...]:
    return tuple(name for name in ("gb18030", "big5", "cp932", "cp949") if _read(lines, name)[1] <= _ERRORS)
