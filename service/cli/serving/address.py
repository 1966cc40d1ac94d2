"""The address that the service is to listen on, looked at before anything is started."""

import errno
import socket
from ipaddress import ip_address

from domain.errors import Refusal


class NotThisMachine(Refusal):
    """--host {host} is not the name or address of this machine"""


class PortNotForEverybody(Refusal):
    """port {port} is not for everybody: give one above 1023 with --port"""


class PortIsTaken(Refusal):
    """port {port} is taken by another program: give another with --port"""


class CannotListen(Refusal):
    """--host {host} cannot be listened on: {why}"""


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host: str, port: int) -> int:
    """The port itself, or one that is free for 0; looked at first, since starting PostgreSQL takes longer."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise NotThisMachine(host=host) from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen()  # what listens with SO_REUSEPORT is noticed only here
        except PermissionError:
            raise PortNotForEverybody(port=port) from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortIsTaken(port=port) from None
            raise CannotListen(host=host, why=error.strerror) from None
        return int(probe.getsockname()[1])
