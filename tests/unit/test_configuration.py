"""Settings that are read again: what is used at once, what needs a restart, and that no password is told."""

from msgspec.structs import replace

from router.settings.model import KINDS, ConnectionSettings, DrainSettings, ListenSettings, Settings
from router.settings.reload import AT_RUN_TIME, Difference, recorded, reload


def test_what_is_used_at_once_and_what_is_not_is_told_apart() -> None:
    running = Settings()
    read = replace(
        running,
        connections=ConnectionSettings(maximum=30, tcp_user_timeout_ms=9000),
        drain=DrainSettings(concurrency=9),
        listen=ListenSettings(port=1),
    )
    found = reload(running, read)
    assert found.applied == (Difference("connections.maximum", "8", "30"), Difference("drain.concurrency", "4", "9"))
    assert [one.name for one in found.needs_restart] == ["listen.port", "connections.tcp_user_timeout_ms"]
    assert found.settings.connections.maximum == 30
    assert found.settings.connections.tcp_user_timeout_ms == running.connections.tcp_user_timeout_ms
    assert found.settings.listen == running.listen
    again = reload(found.settings, read)
    assert again.applied == ()
    assert again.needs_restart == found.needs_restart


def test_the_same_settings_change_nothing() -> None:
    assert reload(Settings(), Settings()).applied == ()
    assert reload(Settings(), Settings()).needs_restart == ()


def test_another_password_needs_a_restart_and_is_not_shown() -> None:
    before = Settings(database_url="postgresql://router:old-secret@db/leads")
    after = Settings(database_url="postgresql://router:new-secret@db/leads")
    (found,) = reload(before, after).needs_restart
    assert found.name == "database_url"
    assert "secret" not in f"{found} {recorded(after)}"


def test_what_can_be_changed_at_run_time_are_settings() -> None:
    assert set(KINDS) >= AT_RUN_TIME
