"""`python -m reidaug` is `reidaug`."""

from reidaug.cli import main

main()
