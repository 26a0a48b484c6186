"""`python -m panel` is the command `panel`."""

from panel.cli import main

main(prog_name="panel")
