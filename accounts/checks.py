"""Connected by apps.py."""
