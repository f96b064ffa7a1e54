from django.urls import path

from devices.connectors import views as connectors
from devices.views import api, enrol, pages

app_name = "devices"
urlpatterns = [
    path("devices/", pages.mine, name="list"),
    path("devices/enrol/", enrol.enter, name="enrol"),
    path("devices/enrol/confirm/", enrol.confirm, name="enrol_confirm"),
    path("devices/enrol/this-browser/", enrol.this_browser, name="enrol_browser"),
    path("devices/<uuid:device_id>/", pages.one, name="one"),
    path("devices/<uuid:device_id>/score/", pages.score, name="score"),
    path("devices/<uuid:device_id>/rename/", pages.rename, name="rename"),
    path("devices/<uuid:device_id>/lost/", pages.lost, name="lost"),
    path("devices/<uuid:device_id>/retire/", pages.retire, name="retire"),
    path("devices/api/enrolments", api.enrolments, name="api_enrolments"),
    path("devices/api/enrolments/<uuid:enrolment_id>", api.enrolment, name="api_enrolment"),
    path("devices/api/<uuid:device_id>/nonce", api.nonce, name="api_nonce"),
    path("devices/api/<uuid:device_id>/reports", api.reports, name="api_reports"),
    path("devices/api/connectors/<uuid:connector_id>/", connectors.call, name="api_connector"),
]
