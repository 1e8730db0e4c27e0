"""How it is run: command line, settings, wiring, the embedded stack, the scenario."""
