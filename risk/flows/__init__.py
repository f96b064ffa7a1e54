"""What is done about risk: judge a sign-in, learn it, hear what people say, mark an account."""

from risk.flows.accounts import clear_user_risk, raise_user_risk, watch_changes
from risk.flows.feedback import judge_sign_in
from risk.flows.retention import forget_old
from risk.flows.sign_ins import Attempt, assess_login, confirm_sign_in, note_failure
from risk.flows.watching import watch_actions

__all__ = [
    "Attempt", "assess_login", "clear_user_risk", "confirm_sign_in", "forget_old", "judge_sign_in",
    "note_failure", "raise_user_risk", "watch_actions", "watch_changes",
]  # fmt: skip
