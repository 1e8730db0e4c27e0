"""One noun a file; each has a `router`."""
