"""Phones and e-mail addresses as those see them who may not call or write: recognisable, not usable. Pure."""

_HIDDEN = "***"
_SHOWN = 2


def mask_phone(phone: str | None) -> str | None:
    """`+8613800138000` as `***00`; short ones not at all."""
    if phone is None:
        return None
    return _HIDDEN + (phone[-_SHOWN:] if len(phone) > 4 * _SHOWN else "")


def mask_email(email: str | None) -> str | None:
    """`ann@example.com` as `a***@example.com`; what has no @ not at all."""
    if email is None:
        return None
    name, at, host = email.rpartition("@")
    return f"{name[:1]}{_HIDDEN}@{host}" if at and len(name) > 1 else _HIDDEN
