"""The HTTP API: a door. Requests under `/v1` come in, the desk's answers go out as JSON, errors as problem+json.

`build` makes the app of an open workspace, `serve` runs it on the workspace's Unix socket and on TCP, `running` keeps what its doors need
going, `request` calls it without a server, `make_link` makes a one-time link to the console. This folder decides nothing.
"""

from tutti.api.admission import ensure_owner_token
from tutti.api.app import build
from tutti.api.direct import Reply, request
from tutti.api.identity import make_link
from tutti.api.server import running, serve

__all__ = ["Reply", "build", "ensure_owner_token", "make_link", "request", "running", "serve"]
