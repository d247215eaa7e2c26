"""A program as an agent may write one in a sandbox, with nothing but Python: pages, cookies, calls and a WebSocket.

Its text is written into a sandbox and runs there; it listens on port 8080.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json

PAGE = """<!doctype html><title>Visited</title><link rel=stylesheet href=/style.css><p id=out>waiting</p>
<script type=module>
const api = await fetch("/api/hello?x=1", {method: "POST", body: "body"}).then(r => r.json());
const socket = new WebSocket(`ws://${location.host}/socket`, ["chat"]);
socket.onopen = () => socket.send("ping");
socket.onmessage = ({data}) => {
  document.cookie = "script=1";
  localStorage.visits = 1 + Number(localStorage.visits || 0);
  out.textContent = JSON.stringify({...api, socket: data, protocol: socket.protocol, origin: location.origin,
                                    cookie: document.cookie, visits: localStorage.visits});
};
</script>"""
PROBE = """<!doctype html><script>
const said = [];
for (const look of [() => document.cookie, () => localStorage.length]) {
  try { look(); said.push("allowed"); } catch (e) { said.push(e.name); }
}
fetch("api").then(r => r.text()).then(() => said.push("fetched")).catch(e => said.push(e.name))
  .then(() => document.title = origin + " " + said);
</script>"""
ACCEPTED = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: chat\r\n"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self, body: str, status: int = 200, **headers: str) -> None:
        """Send an answer; underscores in names of headers become dashes."""
        self.send_response(status)
        for name, value in {"Content_Type": "text/html", "Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        """Serve pages, and the WebSocket."""
        match self.path:
            case "/socket":
                self.socket()
            case "/start":
                login = "login=yes; HttpOnly; Path=/"
                self.answer("", status=302, Location="http://localhost:8080/", Set_Cookie=login)
            case "/style.css":
                self.answer("p { color: rgb(1, 2, 3) }", Content_Type="text/css")
            case "/probe":
                self.answer(PROBE)
            case _:
                self.answer(PAGE)

    def do_POST(self) -> None:
        """Tell how this was asked."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        seen = {"seen": self.headers["Cookie"], "host": self.headers["Host"], "from": self.headers["Origin"]}
        self.answer(json.dumps({"path": self.path, "body": body, **seen}), Content_Type="application/json")

    def socket(self) -> None:
        """Answer short messages until the other side closes."""
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode()).digest())  # noqa: S324
        self.wfile.write(f"{ACCEPTED}Sec-WebSocket-Accept: {accept.decode()}\r\n\r\n".encode())
        self.close_connection = True
        while (head := self.rfile.read(2)) and head[0] & 15 != 8:
            mask, data = self.rfile.read(4), self.rfile.read(head[1] & 127)
            words = b"pong to " + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
            self.wfile.write(bytes([0x81, len(words)]) + words)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
