"""What columns of rosters are called in other languages: a suggestion, never a guess. Pure."""

import difflib
import unicodedata
from functools import lru_cache

from router.domain.rep_fields import READERS
from router.domain.text import fold

_WORDS = {
    "rep_id": (
        "id, rep, user id, employee id, employee number, staff id, code, kürzel, personalnummer, mitarbeiternummer, "
        "mitarbeiter id, kennung, 编号, 工号, 员工编号, 销售编号, matricule, identifiant, código, legajo, matrícula"
    ),
    "name": (
        "full name, rep name, sales rep, employee, mitarbeiter, vertriebsmitarbeiter, verkäufer, 姓名, 名字, 销售, "
        "nom, nom complet, vendeur, nombre, nombre completo, vendedor, nome, nome completo"
    ),
    "available": "verfügbar, anwesend, 可用, 在岗, 是否在岗, 接单, disponible, disponível",
    "active": "aktiv, angestellt, 在职, 是否在职, actif, activo, ativo",
    "time_zone": "timezone, tz, zeitzone, 时区, fuseau, fuseau horaire, zona horaria, huso horario, fuso horário",
    "working_hours": (
        "hours, shift, business hours, arbeitszeit, arbeitszeiten, dienstzeit, schicht, 工作时间, 上班时间, 班次, "
        "horaires, heures de travail, horario, horario laboral, horário, horário de trabalho"
    ),
    "holidays": "public holidays, country, feiertage, land, 节假日, 法定假日, jours fériés, festivos, feriados",
    "leave": "vacation, days off, absence, urlaub, abwesenheit, 休假, 请假, congés, vacaciones, férias",
    "groups": "group, gruppe, gruppen, 组, 分组, 销售组, 小组, groupe, groupes, grupo, grupos",
    "regions": (
        "region, territory, territories, gebiet, gebiete, bundesland, regionen, 地区, 区域, 省份, région, régions, "
        "región, regiones, região, regiões"
    ),
    "industries": "industry, sector, branche, branchen, 行业, secteur, secteurs, sector, sectores, setor, setores",
    "weight": "share, gewicht, anteil, 权重, 比例, poids, peso",
    "max_open": (
        "max open leads, open limit, max offen, max offene leads, maximal offen, 最大跟进数, 最多跟进, 线索上限, "
        "max ouverts, máximo abiertos, máximo abertos"
    ),
    "max_per_day": (
        "max per day, daily limit, max daily, daily cap, max pro tag, tageslimit, maximal pro tag, 每日上限, 每天上限, "
        "日上限, max par jour, máximo por día, máximo por dia"
    ),
    "manager_id": "manager, boss, vorgesetzter, vorgesetzte, teamleiter, 经理, 主管, 上级, responsable, gerente",
    "team": "department, abteilung, mannschaft, 团队, 部门, équipe, service, equipo, equipe",
    "email": "mail, e mail address, email address, mailadresse, e mail adresse, 邮箱, 电子邮箱, courriel, correo",
    "mobile": (
        "phone, mobile phone, cell, handy, mobil, telefon, 手机, 手机号, 电话, portable, móvil, celular, telefone"
    ),
}


def suggested_field(column: str) -> str | None:
    """The field that a column's name means in another language, or that is spelled nearly so."""
    if field := _fields().get(_key(column)):
        return field
    near = difflib.get_close_matches(column[:100], READERS, n=1)
    return near[0] if near else None


@lru_cache(maxsize=1)
def _fields() -> dict[str, str]:
    return {_key(word): field for field, words in _WORDS.items() for word in [field, *words.split(",")]}


def _key(word: str) -> str:
    """Without accents, spaces and signs: people leave them out."""
    parts = unicodedata.normalize("NFKD", fold(word))
    return "".join(sign for sign in parts if sign.isalnum())
