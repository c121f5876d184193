"""The world of the kill test, a process of its own: takes effects over loopback HTTP and has each on disk before it answers.

python kill9_receiver.py FILE       prints its port; FILE gets a line for every call: key, task, what, whether it was an effect
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
known: set[str] = set()
lock = threading.Lock()
rng = random.Random(1)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) < size:
            return  # the caller was killed in the middle of its request
        call = json.loads(body)
        sleep(rng.random() * 0.03)
        with lock:
            effect = not (call["honours"] and call["key"] in known)
            known.add(call["key"])
            os.write(file, json.dumps({**call, "effect": effect}).encode() + b"\n")
            os.fsync(file)
        sleep(rng.random() * 0.03)
        if rng.random() < 0.1:
            self.close_connection = True  # it has happened, and nobody is told
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
print(server.server_port, flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # it goes with the one who started it
server.serve_forever()
