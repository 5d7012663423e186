"""Ports for servers that cannot choose one themselves."""

import socket


def free_port() -> int:
    """A TCP port of this host that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_port_near(usual: int) -> int:
    """The usual port where nothing of this host has it, else as `free_port`."""
    with socket.socket() as probe:
        # As servers do: one that ended a moment ago is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", usual))
        except OSError:
            return free_port()
    return usual
