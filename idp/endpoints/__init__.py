"""The machine endpoints, one module each: a request in, an answer out."""
