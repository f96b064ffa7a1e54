"""Administration of what may be asked for: the terms, who may ask, and what a change would do.

`form` is what is filled in, `editor` makes an offer of it; `pages` and `eligibilities` are the
pages.
"""

from console.admin.entitlements import eligibilities, pages  # noqa: F401 - registers on import
