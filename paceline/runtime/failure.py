"""Failures of a process that end it with one message and no traceback."""

import errno
import os
import socket


class SetupError(Exception):
    """This process cannot run as it was told to; the message says why and names the setting."""


class PortError(SetupError):
    """Nothing can listen there; taken by another process, most often."""

    def __init__(self, setting_name: str, host: str, port: int, error: OSError) -> None:
        if error.errno == errno.EADDRINUSE:
            words = f"port {port} on {host} is taken by another process; stop it or choose another port"
        else:
            words = f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}"
        super().__init__(f"{setting_name}: {words}")


def demand_free_port(setting_name: str, host: str, port: int) -> None:
    """Raise `PortError` when nothing could listen there now. Port 0 is always free."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server((str(address[0]), port), family=family).close()
    except OSError as error:
        raise PortError(setting_name, host, port, error) from error
