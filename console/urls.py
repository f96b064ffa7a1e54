from django.urls import path

from console import views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("security/", views.security, name="security"),
    path("security/activity/", views.activity, name="activity"),
    path("security/applications/", views.applications, name="applications"),
]
