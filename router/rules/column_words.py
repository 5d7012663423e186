"""What columns are called in other spellings and languages: the same name, or a suggestion. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from router.domain.text import fold, without_invisible

_WORDS = {
    "external_id": (
        "id, lead id, leadid, lead no, lead nr, lead number, nr, anfrage nr, anfragenummer, "
        "badge, record id, uuid, 编号, 线索编号, 线索id, kennung, datensatz id, vorgangsnummer, lead "
        "nummer, leadgen id, reference, identifiant, numero, identificador, id del lead, "
        "codigo, id do lead, 編號, 線索編號, 單號, vorgangsnr, reference no, ref no, no de lead"
    ),
    "created_at": (
        "create time, creation time, time created, datum uhrzeit, datum und uhrzeit, erstellungszeit, anlagedatum, "
        "date heure, date et heure, fecha hora, data hora, data e hora, 建立時間, 創建時間, 提交時間, 時間, 留資時間, "
        "created, created date, create date, creation date, created time, date, "
        "timestamp, date created, submitted at, received at, 留资时间, 录入时间, "
        "erstellungsdatum, zeitpunkt, horodatage, date d envoi, carimbo de data "
        "hora, marca temporal, fecha y hora, 创建时间, 创建日期, 提交时间, 时间, 日期, erstellt, "
        "erstellt am, eingangsdatum, eingang, datum, zeitstempel, date de creation, "
        "cree le, fecha, fecha de creacion, creado, creado el, data, data de "
        "criacao, criado em, data de cadastro"
    ),
    "name": (
        "聯絡人, 聯繫人, 客戶姓名, 客戶名稱, 姓名称呼, "
        "full name, 称呼, kunde, kundenname, nom du client, cliente, nombre del "
        "cliente, nome do cliente, contact, contact name, customer name, lead name, "
        "姓名, 名字, 联系人, 客户姓名, 客户名称, kontakt, ansprechpartner, vollstandiger name, "
        "nachname, nom, nom complet, prenom et nom, nombre, nombre completo, "
        "contacto, nome, nome completo, contato"
    ),
    "phone": (
        "telefonnr, telefon nr, tel nr, telnr, handynr, mobilnr, rufnr, phone no, tel no, mobile no, "
        "mob no, mob, contact no, "
        "cellphone, handphone, no de telefono, no de telefone, numero de celular, "
        "numero de whatsapp, tel portable, no de tel, gsm, "
        "手機, 手機號, 手機號碼, 電話, 電話號碼, 聯絡電話, 行動電話, 电话手机, 手机电话, "
        "客户手机, 客户电话, 手机微信, 微信手机, "
        "phone number, contact number, n de telephone, n telephone, telephone "
        "portable, telefono movil, celular whatsapp, fone, whatsapp number, mobile, "
        "mobile phone, mobile number, tel, telephone, cell, cell phone, whatsapp, "
        "手机, 手机号, 手机号码, 电话, 电话号码, 联系电话, 联系方式, 移动电话, telefon, telefonnummer, handy, "
        "handynummer, mobil, mobilnummer, mobiltelefon, rufnummer, numero de "
        "telephone, portable, telefono, numero de telefono, movil, celular, "
        "telefone, numero de telefone, telemovel"
    ),
    "email": (
        "电邮, 信箱, 電子郵件, 電子信箱, 電郵, 郵箱, 客户邮箱, e mail id, mail id, email id, "
        "e mail, mail, adresse electronique, email address, e mail address, 邮箱, "
        "电子邮箱, 电子邮件, 邮件, 邮箱地址, e mail adresse, mailadresse, email adresse, "
        "courriel, adresse e mail, adresse email, adresse mail, correo, correo "
        "electronico, endereco de email, e mail do cliente"
    ),
    "company": (
        "公司名稱, 企業, 企業名稱, 單位名稱, 单位名称, "
        "company name, organisation, organization, account, account name, 公司, 公司名称, "
        "企业, 企业名称, 单位, firma, firmenname, unternehmen, entreprise, societe, raison "
        "sociale, empresa, compania, nombre de la empresa, razon social, razao "
        "social, nome da empresa"
    ),
    "region": (
        "地區, 區域, 縣市, 所在城市, 所在地區, "
        "uf, kanton, canton, comunidad autonoma, state, province, city, area, "
        "territory, location, 地区, 区域, 省份, 省, 城市, 所在地, gebiet, bundesland, stadt, "
        "ort, ville, departement, zone, provincia, ciudad, zona, estado, cidade, "
        "regiao"
    ),
    "industry": (
        "segmento, segment, sector, branch, vertical, 行业, 所属行业, branche, industrie, "
        "secteur, secteur d activite, industria, setor, ramo"
    ),
    "product": (
        "產品, 意向產品, 諮詢產品, "
        "product interest, interested product, 商品, artikel, article, articulo, "
        "artigo, interested in, 产品, 意向产品, 咨询产品, produkt, produktinteresse, produit, "
        "producto, produto"
    ),
    "source": (
        "來源, 線索來源, 管道, "
        "lead source, leadquelle, lead quelle, channel, origin, 来源, 线索来源, 渠道, "
        "quelle, herkunft, kanal, provenance, origine, canal, fuente, origen, "
        "fonte, origem"
    ),
    "campaign": (
        "campaign name, utm campaign, 推广计划, 广告计划, 活动, 推广活动, 广告系列, kampagne, "
        "campagne, campana, campanha"
    ),
    "customer_id": (
        "kundennr, 客戶編號, 會員編號, client no, customer no, no de client, client id, contact id, "
        "user id, account no, customer, customer number, account id, 客户编号, kundennr, kunden nr, code "
        "client, codigo de cliente, 客户id, 客户号, kundennummer, kunden id, numero "
        "client, id client, numero de cliente, id de cliente, codigo do cliente"
    ),
    "priority": ("prio, urgency, 优先级, 紧急程度, prioritat, dringlichkeit, priorite, prioridad, prioridade"),
    "landing_page": ("page, url, page url, 落地页, 着陆页, zielseite, page de destination, pagina de destino"),
}

_OF_REPS = {
    "rep_id": (
        "rep, owner, owner id, sales rep, salesperson, assigned to, assignee, user, agent, 销售, 负责人, 销售编号, "
        "归属人, 跟进人, verkaufer, bearbeiter, besitzer, zustandig, vendeur, commercial, proprietaire, vendedor, "
        "propietario, responsable, responsavel"
    ),
    "assigned_at": (
        "assigned, assigned on, assigned date, owned since, 分配时间, 分配日期, zugewiesen, zugewiesen am, "
        "attribue le, asignado, asignado el, atribuido em"
    ),
    "outcome": (
        "result, status, stage, lead status, won lost, 结果, 状态, 跟进结果, ergebnis, resultat, statut, etape, "
        "resultado, estado"
    ),
    "ended_at": (
        "ended, closed, closed at, closed date, close date, won at, lost at, 结束时间, 成交时间, 关闭时间, "
        "abgeschlossen, abgeschlossen am, cloture le, cerrado, cerrado el, fechado em"
    ),
    "reason": "lost reason, why, note, comment, remark, 原因, 备注, grund, bemerkung, raison, motif, razon, motivo",
}
"""Of files that say who has a lead, or how that ended."""


def folded_name(column: str) -> str:
    """A column's name as fields are spelled: no capitals, plain width, `_` for spaces, hyphens and dots."""
    plain = without_invisible(fold(column)).replace("-", " ").replace("_", " ")
    return "_".join(plain.split())


_IN_BRACKETS = re.compile(r"[(\[{<【〔].*?(?:[)\]}>】〕]|$)")
_QUALIFIED = re.compile(
    r"(?:customers?|clients?|leads?|contacts?|your|my|work|business|office|primary|main|private|personal|kunden|"
    r"votre|su|seu|客户|客戶|联系人|聯絡人|您的|用户)[\s_-]*(?P<word>.+)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?P<word>.*?[^\W\d_])[\s_-]*1")
_LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТУХаеорсухіјοαερνικτΑΒΕΗΙΚΜΝΟΡΤΥΧΖ", "ABEKMHOPCTYXaeopcyxijoaepvikTABEHIKMNOPTYXZ"
)
_LATIN = re.compile(r"[A-Za-z]")


def _looser(column: str) -> Iterator[str]:
    """What a name may be without notes, without whose it is, and with the letters that it seems to have."""
    plain = _IN_BRACKETS.sub(" ", fold(column)).strip()
    if plain:
        yield plain
    if _LATIN.search(column) and not column.isascii():
        yield column.translate(_LOOKALIKES)
    for pattern in (_NUMBERED, _QUALIFIED):
        if (found := pattern.fullmatch(plain)) is not None:
            yield found["word"]


def _key(word: str) -> str:
    """Without accents and signs, too: people leave them out."""
    parts = unicodedata.normalize("NFKD", fold(word))
    plain = "".join(sign if sign.isalnum() else " " for sign in parts if not unicodedata.combining(sign))
    return "".join(plain.split())


@lru_cache(maxsize=2)
def _fields(*, of_reps: bool) -> dict[str, str]:
    words = _WORDS | _OF_REPS if of_reps else _WORDS
    return {_key(word): field for field, listed in words.items() for word in [field, *listed.split(",")]}


def suggested(columns: Iterable[str], taken: Iterable[str], *, of_reps: bool = False) -> Mapping[str, str]:
    """Column to the field that its name means in one of six languages, each field once, and none that is `taken`.

    `of_reps`: also those of files that say who has a lead, or how that ended.
    """
    known = _fields(of_reps=of_reps)
    free = set(known.values()) - set(taken)
    found: dict[str, str] = {}
    names = list(columns)
    # What fits as it is comes first: of "Phone" and "Work phone" the former.
    for ways in (_as_it_is, _looser):
        for column in names:
            fields = (known.get(_key(way)) for way in ways(column)) if column not in found else ()
            if field := next((one for one in fields if one in free), None):
                free.remove(field)
                found[column] = field
    return {column: found[column] for column in names if column in found}


def _as_it_is(column: str) -> tuple[str, ...]:
    return (column,)
