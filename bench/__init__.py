"""Measurements of Tutti, with peers side by side in one run: `python -m bench NAME...` or `python -m bench --all [--quick]`.

Each round is a process of its own, so that CPU and memory are its own; peers and Tutti take turns, and medians are taken over rounds.
Nothing here is imported by the product, and no figure decides a test.
"""
