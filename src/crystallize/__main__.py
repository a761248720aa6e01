"""``python -m crystallize`` is the command `crystallize`."""

from crystallize.cli.main import run

run()
