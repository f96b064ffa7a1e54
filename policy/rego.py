"""The embedded Rego evaluator: one engine for each thread and bundle.

An engine belongs to its thread, keeps its last input when a new one is refused, answers
"<undefined>" as a string, and panics with a BaseException: hence the care below.
"""

import threading
from functools import lru_cache
from typing import Any

import orjson
from regorus import Engine

from policy.bundle import Bundle
from policy.evaluator import UNDEFINED, PolicyUnavailable

_UNDEFINED = '"<undefined>"'
_NO_SUCH_RULE = "not a valid rule path"


class RegoEvaluator:
    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._local = threading.local()

    def evaluate(self, path: str, document: bytes) -> Any:
        """The policy's answer for this input, as parsed JSON; raises PolicyUnavailable."""
        try:
            engine = self._engine()
            engine.set_input_json(document.decode())
            answer = engine.eval_rule_as_json(_rule(path))
            return UNDEFINED if answer == _UNDEFINED else orjson.loads(answer)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as failure:
            self._local.engine = None  # its input may be the previous request's
            if isinstance(failure, RuntimeError) and str(failure).startswith(_NO_SUCH_RULE):
                return UNDEFINED  # as an OPA server has it
            raise PolicyUnavailable("the policy could not be evaluated") from failure

    def _engine(self) -> Any:
        engine = getattr(self._local, "engine", None)
        if engine is None:
            engine = Engine()
            for name, source in self.bundle.modules:
                engine.add_policy(name, source)
            self._local.engine = engine
        return engine


@lru_cache(maxsize=64)
def _rule(path: str) -> str:
    """A path as the engine names the rule."""
    return f"data.{path.replace('/', '.')}"
