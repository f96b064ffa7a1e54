from django.urls import path

from sessions import views
from sessions.binding import views as binding

app_name = "sessions"
urlpatterns = [
    path("step-up/", views.step_up, name="step_up"),
    path("step-up/passkey/options/", views.step_up_passkey_options, name="step_up_passkey_options"),
    path("step-up/passkey/", views.step_up_passkey, name="step_up_passkey"),
    path("sessions/", views.session_list, name="list"),
    path("sessions/end-others/", views.end_others, name="end_others"),
    path("sessions/lock-account/", views.lock_account, name="lock_account"),
    path("sessions/binding/challenge/", binding.challenge, name="binding_challenge"),
    path("sessions/binding/registration/", binding.registration, name="binding_registration"),
    path("sessions/binding/proof/", binding.proof, name="binding_proof"),
    path("sessions/binding/leave/", binding.leave, name="binding_leave"),
    path("dbsc/register/", binding.dbsc_register, name="dbsc_register"),
    path("dbsc/refresh/", binding.dbsc_refresh, name="dbsc_refresh"),
    path("sessions/<uuid:session_id>/end/", views.end, name="end"),
]
