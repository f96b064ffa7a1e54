"""Administration that stands above accounts: of devices, and of who else speaks of them."""

from console.admin import connectors, inventory  # noqa: F401 - registers on import
