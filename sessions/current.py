"""The login session on whose behalf this request runs, for receivers that get no request."""

from contextvars import ContextVar
from uuid import UUID

current_session_id: ContextVar[UUID | None] = ContextVar("current_session_id", default=None)
