"""`python -m golddiff`."""

from golddiff.cli import main

main()
