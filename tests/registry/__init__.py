"""The real schema registry: `make registry`. Apart from `make test`: 159 MB to bring, half a minute to start."""
