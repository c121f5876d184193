"""The command line: a door. Arguments come in, one call of the API goes out, its answer is printed; exit codes say how it went.

Commands live in `commands/`, one module each, imported when called: `tutti --help` loads click and nothing else of weight.
This folder decides nothing and never touches the desk itself.
"""


def main() -> None:
    """The `tutti` command."""
    from tutti.cli.group import tutti

    tutti.main(prog_name="tutti")
