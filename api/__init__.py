"""How it is asked: a thin FastAPI over the projections. `create_app` in `api.app`, `make_server` in `api.server`."""
