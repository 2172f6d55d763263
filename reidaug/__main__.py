"""`python -m reidaug` is `reidaug`."""

import os
import sys


def main() -> None:
    """Run the command line as a process of its own, which ends in one line from the start on."""
    from reidaug.interruptions import end_while_importing

    end_while_importing()
    from reidaug.cli import main as run

    run()


if __name__ == "__main__":
    # Python looks for modules in the current folder first. There are data, unless this package is.
    package = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - nothing is imported yet
    if not sys.flags.safe_path and os.path.realpath(sys.path[0]) != os.path.dirname(package):  # noqa: PTH120
        del sys.path[0]
    main()
