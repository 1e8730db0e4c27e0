"""How it moves: the Faust app, its batch transport, the agents and what stands beside them."""
