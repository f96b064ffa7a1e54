"""Wiring: settings, URLs, Celery, WSGI, embedded services, the supervisor. Nobody imports it."""
