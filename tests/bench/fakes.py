"""Fake servers for the measurements: many ports, recorded answers, as little work as Python can do.

    python3 fakes.py HOST COUNT MODELS

Every other one answers as Ollama does, with MODELS loaded models, the rest as llama-server does. Prints one
line of JSON, `[["ollama", PORT], ["llama_cpp", PORT], ...]`, then serves until its standard input ends.
"""

import asyncio
import json
import os
import resource
import sys

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures")
OLLAMA = "ollama/0.34.0"
LLAMA_CPP = "llama_cpp/b11434"

# Many pollers connect at once when the agent starts.
BACKLOG = 1024


def recorded(name):
    """The body of a recorded answer."""
    with open(os.path.join(FIXTURES, name), "rb") as file:
        return file.read().replace(b"\r\n", b"\n").split(b"\n\n", 1)[1]


def answer(body, kind="application/json; charset=utf-8", status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nServer: fake\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def many(body, count):
    """The recorded list with its one model `count` times, each under a name of its own."""
    page = json.loads(body)
    (model,) = page["models"]
    names = [f"model-{n}:latest" for n in range(count)]
    page["models"] = [dict(model, name=name, model=name, digest=f"{n:064x}") for n, name in enumerate(names)]
    return json.dumps(page, separators=(",", ":")).encode()


def ollama(models):
    return {
        b"/": answer(recorded(f"{OLLAMA}/root.http"), "text/plain; charset=utf-8"),
        b"/api/version": answer(recorded(f"{OLLAMA}/version.http")),
        b"/api/ps": answer(many(recorded(f"{OLLAMA}/ps-loaded.http"), models)),
        b"/api/tags": answer(many(recorded(f"{OLLAMA}/tags.http"), models)),
        b"/api/show": answer(recorded(f"{OLLAMA}/show.http")),
    }


def llama_cpp():
    def page(name, kind="application/json; charset=utf-8"):
        return answer(recorded(f"{LLAMA_CPP}/{name}.http"), kind).replace(b"Server: fake", b"Server: llama.cpp", 1)

    return {
        b"/health": page("health"),
        b"/props": page("props"),
        b"/v1/models": page("models"),
        b"/slots": page("slots-idle-used"),
        b"/metrics": page("metrics-1", "text/plain; version=0.0.4"),
    }


class Server(asyncio.Protocol):
    """Answers each request by its path; what is not in the table is 404."""

    NOT_FOUND = answer(b'{"error":"not found"}', status="404 Not Found")

    def __init__(self, pages):
        self.pages = pages
        self.rest = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end]
            length = 0
            for line in head.split(b"\r\n")[1:]:
                if line[:15].lower() == b"content-length:":
                    length = int(line[15:])
            if len(self.rest) < end + 4 + length:
                return
            self.rest = self.rest[end + 4 + length :]
            path = head.split(b" ", 2)[1].split(b"?", 1)[0]
            self.transport.write(self.pages.get(path, self.NOT_FOUND))


async def main(host, count, models):
    # A listener a server and a connection or two for each.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = asyncio.get_running_loop()
    kinds = [("ollama", ollama(models)), ("llama_cpp", llama_cpp())]
    servers = []
    for n in range(count):
        name, pages = kinds[n % 2]
        listener = await loop.create_server(lambda pages=pages: Server(pages), host, 0, backlog=BACKLOG)
        servers.append((name, listener.sockets[0].getsockname()[1]))
    print(json.dumps(servers), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
