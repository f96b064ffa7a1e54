"""Pages that read several apps: home, the security home, activity, and the administration.

It owns no table. Whatever changes something posts to the URL of the app that owns it.
"""
