"""`python -m reidaug` is `reidaug`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python looks for modules in the current folder first. There are data, unless this package is.
    if not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).parents[1]:
        del sys.path[0]

    from reidaug.cli import main

    main()
