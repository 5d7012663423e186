"""What columns are called in other spellings and languages: the same name, or a suggestion. Pure."""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

from router.domain.text import fold, without_invisible

_WORDS = {
    "external_id": (
        "id, lead id, leadid, lead no, lead nr, lead number, nr, anfrage nr, anfragenummer, "
        "badge, record id, uuid, 编号, 线索编号, 线索id, kennung, datensatz id, vorgangsnummer, lead "
        "nummer, leadgen id, reference, identifiant, numero, identificador, id del lead, "
        "codigo, id do lead"
    ),
    "created_at": (
        "created, created date, create date, creation date, created time, date, "
        "timestamp, date created, submitted at, received at, 留资时间, 录入时间, "
        "erstellungsdatum, zeitpunkt, horodatage, date d envoi, carimbo de data "
        "hora, marca temporal, fecha y hora, 创建时间, 创建日期, 提交时间, 时间, 日期, erstellt, "
        "erstellt am, eingangsdatum, eingang, datum, zeitstempel, date de creation, "
        "cree le, fecha, fecha de creacion, creado, creado el, data, data de "
        "criacao, criado em, data de cadastro"
    ),
    "name": (
        "full name, 称呼, kunde, kundenname, nom du client, cliente, nombre del "
        "cliente, nome do cliente, contact, contact name, customer name, lead name, "
        "姓名, 名字, 联系人, 客户姓名, 客户名称, kontakt, ansprechpartner, vollstandiger name, "
        "nachname, nom, nom complet, prenom et nom, nombre, nombre completo, "
        "contacto, nome, nome completo, contato"
    ),
    "phone": (
        "phone number, contact number, n de telephone, n telephone, telephone "
        "portable, telefono movil, celular whatsapp, fone, whatsapp number, mobile, "
        "mobile phone, mobile number, tel, telephone, cell, cell phone, whatsapp, "
        "手机, 手机号, 手机号码, 电话, 电话号码, 联系电话, 联系方式, 移动电话, telefon, telefonnummer, handy, "
        "handynummer, mobil, mobilnummer, mobiltelefon, rufnummer, numero de "
        "telephone, portable, telefono, numero de telefono, movil, celular, "
        "telefone, numero de telefone, telemovel"
    ),
    "email": (
        "e mail, mail, adresse electronique, email address, e mail address, 邮箱, "
        "电子邮箱, 电子邮件, 邮件, 邮箱地址, e mail adresse, mailadresse, email adresse, "
        "courriel, adresse e mail, adresse email, adresse mail, correo, correo "
        "electronico, endereco de email, e mail do cliente"
    ),
    "company": (
        "company name, organisation, organization, account, account name, 公司, 公司名称, "
        "企业, 企业名称, 单位, firma, firmenname, unternehmen, entreprise, societe, raison "
        "sociale, empresa, compania, nombre de la empresa, razon social, razao "
        "social, nome da empresa"
    ),
    "region": (
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
        "product interest, interested product, 商品, artikel, article, articulo, "
        "artigo, interested in, 产品, 意向产品, 咨询产品, produkt, produktinteresse, produit, "
        "producto, produto"
    ),
    "source": (
        "lead source, leadquelle, lead quelle, channel, origin, 来源, 线索来源, 渠道, "
        "quelle, herkunft, kanal, provenance, origine, canal, fuente, origen, "
        "fonte, origem"
    ),
    "campaign": (
        "campaign name, utm campaign, 推广计划, 广告计划, 活动, 推广活动, 广告系列, kampagne, "
        "campagne, campana, campanha"
    ),
    "customer_id": (
        "customer, customer number, account id, 客户编号, kundennr, kunden nr, code "
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
    for column in columns:
        field = known.get(_key(column))
        if field in free:
            free.remove(field)
            found[column] = field
    return found
