"""The typed client of the HTTP API, sync and async: what other programs (and the CLI with --server) talk to a workspace with."""
