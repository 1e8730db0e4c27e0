"""What is wrong, watched: found by kind, raised and cleared with hysteresis, told on ikd.alert.v1."""
