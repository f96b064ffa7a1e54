from django.urls import path

from risk import views

app_name = "risk"
urlpatterns = [
    path("security/sign-ins/", views.sign_ins, name="sign_ins"),
    path("security/sign-ins/<uuid:sign_in_id>/", views.judge, name="judge"),
    path("sign-ins/<str:token>/", views.was_it_you, name="was_it_you"),
]
