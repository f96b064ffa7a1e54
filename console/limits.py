"""How lately an administrator has to have shown two factors, on pages and at the API alike."""

from datetime import timedelta

ADMINISTERING = timedelta(hours=8)
