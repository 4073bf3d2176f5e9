"""Connections: cutting those of our own processes, by CLIENT KILL ID, and nobody else's.

May be in here: telling our connections from strangers'. May not: when one is cut (chaos.py).

A connection is ours when the address that the server sees is the local address of a socket of one of our processes.
That proves something only where addresses arrive unchanged: behind NAT or a proxy a stranger might have the address
that one of ours has here. So our own connection is compared first, and without a match nothing is ever cut. A unix
socket shows no address: there nothing can be cut either.
"""

from collections.abc import Collection
from typing import Any

import psutil
import redis


def why_not(client: Any) -> str:
    """Why our connections cannot be cut on this server; "" when they can."""
    if "path" in client.connection_pool.connection_kwargs:
        return "a unix socket shows no addresses"
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command("CLIENT", "ID")
        number = connection.read_response()
        here = _address(*connection._sock.getsockname()[:2])
    finally:
        client.connection_pool.release(connection)
    try:
        seen = {each["id"]: each["addr"] for each in client.client_list()}
    except redis.ResponseError as error:
        return f"the server does not let us list connections ({error})"
    if seen.get(str(number)) != here:
        return "the server sees other addresses than we do (NAT or a proxy)"
    return ""


def cut(client: Any, pids: Collection[int]) -> int:
    """Kill the connections of these processes of ours to the server; returns how many there were."""
    local = {address for pid in pids for address in _addresses(pid)}
    killed = 0
    for each in client.client_list():
        if each["addr"] in local:
            killed += client.client_kill_filter(_id=each["id"])
    return killed


def _addresses(pid: int) -> set[str]:
    """The local addresses of a process's established TCP connections, as a server would write them."""
    try:
        process = psutil.Process(pid)
        ask = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
        return {_address(*each.laddr) for each in ask(kind="tcp") if each.status == psutil.CONN_ESTABLISHED}
    except psutil.Error:
        return set()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
