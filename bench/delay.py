"""A longer way to Redis: a TCP proxy, in a process of its own, that delivers every byte later and none slower.

May be in here: forwarding with due times. May not: reading what is forwarded.

    python -m bench.delay <upstream port> <milliseconds added to a round trip>     prints its own port
"""

import queue
import socket
import sys
import threading
import time

_END = b""


def pump(source: socket.socket, target: socket.socket, seconds: float) -> None:
    """One direction: read at once, deliver when due. The queue has no limit, so throughput stays what it is."""
    due: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    threading.Thread(target=deliver, args=(due, target), daemon=True).start()
    data = b"-"
    while data:
        try:
            data = source.recv(1 << 20)
        except OSError:
            data = _END
        due.put((time.perf_counter() + seconds, data))


def deliver(due: "queue.SimpleQueue[tuple[float, bytes]]", target: socket.socket) -> None:
    while True:
        moment, data = due.get()
        if (wait := moment - time.perf_counter() - 0.00006) > 0:  # a sleep is about that much too long
            time.sleep(wait)
        try:
            if data == _END:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return


def main(port: int, milliseconds: float) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=pump, args=(one, other, milliseconds / 2000), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
