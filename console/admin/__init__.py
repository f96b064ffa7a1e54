"""Administration that stands above accounts: of devices and sign-ins, of access and of policy."""

from console.admin import connectors, entitlements, grants, inventory, sign_ins  # noqa: F401 - registers on import
