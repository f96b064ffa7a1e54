from django.urls import path

from access.views import answers, asking, grants, mine

app_name = "access"
urlpatterns = [
    path("access/", mine.mine, name="mine"),
    path("access/history/", mine.history, name="history"),
    path("access/request/", asking.ask, name="ask"),
    path("access/emergency/", asking.emergency, name="emergency"),
    path("access/inbox/", answers.inbox, name="inbox"),
    path("access/grants/<uuid:grant_id>/", grants.one, name="grant"),
    path("access/grants/<uuid:grant_id>/activate/", grants.activate, name="activate"),
    path("access/grants/<uuid:grant_id>/extend/", asking.extend, name="extend"),
    path("access/grants/<uuid:grant_id>/drop/", grants.drop, name="drop"),
    path("access/grants/<uuid:grant_id>/cancel/", grants.cancel, name="cancel"),
    path("access/grants/<uuid:grant_id>/answer/", answers.answer, name="answer"),
    path("access/grants/<uuid:grant_id>/revoke/", answers.revoke, name="revoke"),
    path("access/grants/<uuid:grant_id>/review/", answers.review, name="review"),
]
