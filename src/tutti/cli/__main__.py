"""`python -m tutti.cli`."""

from tutti.cli import main

if __name__ == "__main__":  # a worker process of a fleet imports this module again and must not start a second CLI
    main()
