"""TLS for the tests: a certificate authority made on the spot, and a terminator in front of a server that has no TLS.

May be in here: making certificates with openssl, wrapping and forwarding. May not: what a client should accept.
"""

import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self


class Authority:
    """A certificate authority in a folder. `ca` is the file that a client trusts.

    >>> certificate, key = Authority(tmp_path / "ca").issue("IP:127.0.0.1")
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-out", self._key)
        _openssl(
            *("req", "-x509", "-new", "-key", self._key, "-out", self.ca, "-days", "2", "-subj", f"/CN={folder.name}"),
            *("-addext", "keyUsage=critical,keyCertSign"),
        )

    def issue(self, name: str) -> tuple[Path, Path]:
        """(certificate, key) for a server of that name: "IP:127.0.0.1", "DNS:redis.example"."""
        stem = name.replace(":", "-")
        key, request, certificate, extensions = (
            self.folder / f"{stem}.{end}" for end in ("key", "csr", "pem", "extensions")
        )
        extensions.write_text(f"subjectAltName={name}\n")
        _openssl("ecparam", "-genkey", "-name", "prime256v1", "-out", key)
        _openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=server")
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial"),
            *("-out", certificate, "-days", "2", "-extfile", extensions),
        )
        return certificate, key


class Terminator:
    """Takes TLS connections and forwards them to a plain port."""

    def __init__(self, certificate: Path, key: Path, port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._upstream = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        """One command and its reply after the other: enough for these tests, and no two threads on one TLS object."""
        with (
            plain,
            suppress(OSError),
            self._context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(self._upstream) as server,
        ):
            while data := client.recv(65536):
                server.sendall(data)
                client.sendall(server.recv(65536))


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=30)
