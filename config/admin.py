"""Django's admin, with a door of our own."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    default_site = "console.admin_site.AdminSite"
