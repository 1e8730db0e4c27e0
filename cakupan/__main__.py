"""`python -m cakupan` is `cakupan`."""

from cakupan.cli import main

main()
