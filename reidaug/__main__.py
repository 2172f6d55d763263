"""`python -m reidaug` is `reidaug`."""

import os
import sys


def main() -> None:
    """Run the command line as a process of its own, which ends in one line from the start on."""
    import signal  # not before the current folder is out of the path, see below

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback out of the next imports
    from reidaug.interruptions import end_while_importing
    from reidaug.streams import make_usable

    end_while_importing()
    make_usable()
    from reidaug.cli import main as run

    run()


if __name__ == "__main__":
    # Python looks for modules in the current folder first. There are data, unless this package is.
    package = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - nothing is imported yet
    if not sys.flags.safe_path and os.path.realpath(sys.path[0]) != os.path.dirname(package):  # noqa: PTH120
        del sys.path[0]
    main()
