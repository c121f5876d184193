"""The command line: a door. Arguments come in, one call of the API goes out, its answer is printed; exit codes say how it went.

Commands live in `commands/`, one module each, imported when called: `tutti --help` loads click and nothing else of weight.
This folder decides nothing and never touches the desk itself.
"""


def main() -> None:
    """The `tutti` command."""
    from tutti.cli.group import tutti

    _keep_stdout_for_data()
    tutti.main(prog_name="tutti")


def _keep_stdout_for_data() -> None:
    """Where a programme reads what is printed, let descriptor 1 be stderr for everybody else: a solver in C has been seen to write a line of its own there."""
    import os
    import sys

    try:
        if sys.stdout.isatty():
            return
        own = os.dup(1)
        os.dup2(2, 1)
    except (AttributeError, OSError):  # there is no stdout, or no stderr
        return
    lines = 1 if sys.stdout.line_buffering or getattr(sys.stdout, "write_through", False) else -1
    sys.stdout = open(own, "w", lines, sys.stdout.encoding, sys.stdout.errors)  # noqa: SIM115  it is open as long as the process
