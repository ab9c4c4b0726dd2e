"""A node's service: answers UDP probes and HTTP with the node's name, from the address asked.

responder.py NAME UDP_PORT HTTP_PORT

When asked to end (SIGTERM) it closes its pages at once, so that a health check sees it, and answers
probes until it is killed: what is under way is served while another node takes over.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IP_PKTINFO = 8
# struct in_pktinfo: interface index, the local address, the address in the header.
PACKET_INFORMATION = struct.Struct("@i4s4s")


def answer_probes(name: bytes, port: int) -> None:
    """Send each datagram back with our name behind it, for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        server.bind(("0.0.0.0", port))
        while True:
            data, ancillary, _, sender = server.recvmsg(256, 256)
            _, _, asked = PACKET_INFORMATION.unpack(ancillary[0][2][: PACKET_INFORMATION.size])
            source = PACKET_INFORMATION.pack(0, asked, b"\0\0\0\0")
            # The address may have left this node since; then nobody is to be answered.
            with contextlib.suppress(OSError):
                server.sendmsg([data + name], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, sender)


def pages(name: str, port: int) -> ThreadingHTTPServer:
    """Return a server that answers every GET with our name."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{name}\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer(("0.0.0.0", port), Page)


if __name__ == "__main__":
    own_name, udp_port, http_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    server = pages(own_name, http_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: server.socket.close())
    answer_probes(own_name.encode(), udp_port)
