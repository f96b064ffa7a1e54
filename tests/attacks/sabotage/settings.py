"""Django's settings for processes of their own: the product's, but for what a sabotage says."""

import json
import os

from config import env

SABOTAGE = json.loads(os.environ["SABOTAGE_SETTINGS"])


def _faults(self: env.Environment) -> list[str]:
    return [fault for fault in _judge(self) if SABOTAGE.get("UNREFUSED", " ") not in fault]


_judge = env.Environment._weak
if "UNREFUSED" in SABOTAGE:
    env.Environment._weak = _faults  # type: ignore[method-assign]

from config import settings as product  # noqa: E402 - it reads the environment at once

globals().update({name: value for name, value in vars(product).items() if name.isupper()})
globals().update(SABOTAGE)
