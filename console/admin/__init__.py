"""Administration that stands above accounts: of devices, who else speaks of them, and sign-ins."""

from console.admin import connectors, inventory, sign_ins  # noqa: F401 - registers on import
