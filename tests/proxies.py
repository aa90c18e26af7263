"""A proxy on this machine that does to a connection what company networks do; nothing leaves the machine.

kagglehub then fails as it does there, with the exceptions of the libraries below it.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Handler(BaseHTTPRequestHandler):
    def do_CONNECT(self) -> None:
        if self.server.certificate is None:
            self.send_error(self.server.status)
            return
        self.send_response(200)
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*map(str, self.server.certificate))
        with suppress(OSError), context.wrap_socket(self.connection, server_side=True) as opened:
            opened.recv(1)
        self.close_connection = True

    def do_GET(self) -> None:
        content = self.server.content
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/html" if content.startswith(b"<") else "application/zip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def proxy(status: int = 200, content: bytes = b"", certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """A proxy for as long as the block lasts.

    Args:
        status: what it answers to everything.
        content: and with which body, where nothing is encrypted.
        certificate: it opens encrypted connections with these files (certificate, key) instead, as if it were the site.

    Yields:
        its address.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.status, server.content, server.certificate = status, content, certificate
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
