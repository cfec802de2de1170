"""`python -m histospace_core` is the command `histospace`."""

from histospace_core.cli import main

if __name__ == "__main__":
    main()
