from django.urls import path

from sessions import views

app_name = "sessions"
urlpatterns = [
    path("step-up/", views.step_up, name="step_up"),
    path("step-up/passkey/options/", views.step_up_passkey_options, name="step_up_passkey_options"),
    path("step-up/passkey/", views.step_up_passkey, name="step_up_passkey"),
    path("sessions/", views.session_list, name="list"),
    path("sessions/end-others/", views.end_others, name="end_others"),
    path("sessions/lock-account/", views.lock_account, name="lock_account"),
    path("sessions/<uuid:session_id>/end/", views.end, name="end"),
]
