"""`python -m eisv_lumen.cli`: the same command line, where no script is installed."""

from . import main

main()
