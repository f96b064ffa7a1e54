"""The door of the administration.

Django's own admin login would skip every login stage, second factor included. Here nobody signs in:
whoever is not signed in goes to the sign-in page, and whoever has proven one factor to step-up.
"""

from functools import wraps
from typing import Any
from urllib.parse import urlencode

from csp.constants import SELF
from csp.decorators import csp_replace
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from console.limits import ADMINISTERING
from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from core.http import demanded_key


class AdminSite(admin.AdminSite):
    site_header = "Sallyport administration"
    site_title = "Sallyport"
    index_title = "Administration"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff, and two factors within the last working day."""
        user: Any = request.user
        return bool(user.is_active and user.is_staff and _is_strong(request))

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Django's admin loads its scripts without a nonce, and its jQuery sets HTML.

        So here scripts may come from this origin, and trusted types are not demanded; nothing
        inline runs, as everywhere.
        """
        inside = super().admin_view(view, cacheable)

        @wraps(inside)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            answer: HttpResponse = demanded_key(request) or inside(request, *args, **kwargs)
            return answer

        return csp_replace({"script-src": [SELF], "require-trusted-types-for": None})(guarded)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Send to wherever what is missing can be proven; refuses not_found to everybody else."""
        target = request.GET.get("next") or reverse("admin:index")
        user: Any = request.user
        if not user.is_authenticated:
            return redirect(f"{reverse('account_login')}?{urlencode({'next': target})}")
        if not user.is_staff:
            raise Refusal.not_found()
        if _is_strong(request):
            return redirect("admin:index")
        query = {
            "next": target,
            "acr": Level.AAL2.acr,
            "max_age": int(ADMINISTERING.total_seconds()),
        }
        return redirect(f"{reverse('sessions:step_up')}?{urlencode(query)}")

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:  # noqa: ARG002
        return redirect("account_logout")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> Any:  # noqa: ARG002
        return redirect("account_change_password")


def _is_strong(request: HttpRequest) -> bool:
    assurance: Assurance = getattr(request, "assurance", Assurance())
    return assurance.satisfies(Level.AAL2, ADMINISTERING, clock.now())
