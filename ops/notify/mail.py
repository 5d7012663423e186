"""Messages as mail: pure."""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from ops.notify.channels import Channel
from ops.notify.message import Message
from ops.notify.text import body, cut, cut_mark, subject
from ops.text.translation import translator

BYTES = 200_000


def mail_of(channel: Channel, message: Message, ident: str, at: datetime) -> EmailMessage:
    """The mail at `at` (aware). Its Message-ID is the same however often it is sent."""
    assert channel.server is not None
    say = translator(channel.language)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = channel.server.sender
    mail["To"] = ", ".join(channel.recipients)
    mail["Subject"] = " ".join(subject(message, say).split())
    mail["Date"] = format_datetime(at.astimezone(UTC))
    mail["Message-ID"] = f"<{ident}@{channel.server.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(cut(body(message, ident, say, channel.runbooks), BYTES, cut_mark(say)))
    return mail
