"""A protected API, twice: in Django and in Starlette, on one guard that knows neither."""
