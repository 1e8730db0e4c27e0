"""What it costs, compared in one run. `make bench` runs all, `make bench NAME=decode EVENTS=1000000` one at a size."""
