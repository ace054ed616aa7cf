"""The proxies that tests/bench/tap measures beside each other: each in front of one server, on one core."""

import contextlib
import json
import os
import resource
import subprocess
import sys
import urllib.request

from machine import free_port, process, status, wait_for

# More than are ever asked for at once.
CONNECTIONS = 16384


def cores():
    """(of the proxy, of server and client): a core of its own for the proxy, where there are two."""
    have = sorted(os.sched_getaffinity(0))
    return ({have[-1]}, set(have[:-1])) if len(have) > 1 else (set(have), set(have))


def more_files():
    """As many open files as may be had; a stream takes two of a proxy."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def on(cpus):
    return {"preexec_fn": lambda: os.sched_setaffinity(0, cpus)}


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read()


def ask(port):
    """One short completion: fails unless the whole way works."""
    body = {"model": "m", "stream": False, "max_tokens": 1, "messages": [{"role": "user", "content": "hello"}]}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json", "Authorization": "Bearer sk-x"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return b"choices" in answer.read()


class Proxy:
    """A proxy that runs: its name, the address to ask, and its processes."""

    def __init__(self, name, port, child):
        self.name, self.port, self.child = name, port, child
        self.address = f"127.0.0.1:{port}"

    def pids(self):
        """The process that was started and its children."""
        found = [self.child.pid]
        for pid in found:
            with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/task/{pid}/children") as file:
                found += [int(child) for child in file.read().split()]
        return found

    def rss(self):
        """KiB of all its processes."""
        return sum(status(pid, "VmRSS") or 0 for pid in self.pids())


@contextlib.contextmanager
def server(tool):
    """The server of streams: its address."""
    port = free_port()
    _, others = cores()
    with process(tool, "serve", f"127.0.0.1:{port}", **on(others)):
        wait_for("the server", 10, lambda: get(port, "/v1/models"))
        yield f"127.0.0.1:{port}"


def ready(name, port, child, seconds=30):
    def answers():
        if child.poll() is not None:
            sys.exit(f"{name} ended: {child.returncode}")
        return ask(port)

    wait_for(name, seconds, answers, pause=0.1)
    return Proxy(name, port, child)


@contextlib.contextmanager
def opsagent(binary, folder, upstream):
    """The agent with one target and its tap, all else as it is by default."""
    port, page = free_port(), free_port()
    path = os.path.join(folder, f"{port}.toml")
    with open(path, "w") as file:
        file.write(
            f'listen = "127.0.0.1:{page}"\ndiscover = false\n[tap]\nmax_connections = {CONNECTIONS}\n'
            f'[[target]]\nname = "m"\nkind = "openai"\nurl = "http://{upstream}"\ntap = "127.0.0.1:{port}"\n'
        )
    with open(path + ".log", "wb") as log:
        with process(binary, "run", "--config", path, stderr=log, **on(cores()[0])) as child:
            proxy = ready("opsagent", port, child)
            proxy.page = page
            yield proxy


# As one would set it up for streams: nothing buffered, connections to the server kept.
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log crit;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream server {{ server {upstream}; keepalive 1024; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 3600s;
    }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(binary, folder, upstream):
    """nginx with one worker, which holds what it may of connections: two a stream."""
    port = free_port()
    path = os.path.join(folder, f"{port}.conf")
    with open(path, "w") as file:
        file.write(NGINX.format(folder=folder, port=port, upstream=upstream, connections=2 * CONNECTIONS,
                                files=more_files()))
    with process(binary, "-c", path, "-p", folder, "-e", os.path.join(folder, "nginx.log"),
                 stderr=subprocess.DEVNULL, **on(cores()[0])) as child:
        yield ready("nginx", port, child)


LITELLM = """
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_base: "http://{upstream}/v1", api_key: none}}
"""


@contextlib.contextmanager
def litellm(binary, folder, upstream):
    """LiteLLM with one worker and without a key of its own, so that it need not look one up."""
    port = free_port()
    path = os.path.join(folder, f"{port}.yaml")
    with open(path, "w") as file:
        file.write(LITELLM.format(upstream=upstream))
    # No price list from elsewhere, and more connections to one server than its 500.
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR",
           "AIOHTTP_CONNECTOR_LIMIT": str(CONNECTIONS), "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": str(CONNECTIONS),
           "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    with open(path + ".log", "wb") as log:
        with process(binary, "--config", path, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1",
                     "--telemetry", "False", stderr=log, env=env, **on(cores()[0])) as child:
            yield ready("LiteLLM", port, child, seconds=300)
