"""The client: another process's workspace over HTTP, typed. Calls go in, the API's answers come out as plain data, errors as `tutti.errors`.

It decides nothing and loads no web library until used: `Client` needs none, `AsyncClient` needs aiohttp.
"""

from tutti.client.asynchronous import AsyncClient
from tutti.client.synchronous import Client
from tutti.client.turns import Call, Event, Reply, read

__all__ = ["AsyncClient", "Call", "Client", "Event", "Reply", "read"]
