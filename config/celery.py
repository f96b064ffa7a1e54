"""Celery: what runs in the background, and when.

No right depends on any of this: expiry is a comparison at use. Workers tidy, announce and
re-evaluate; every task is idempotent and safe when doubled.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("sallyport")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
