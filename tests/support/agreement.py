"""Whether the embedded engine and a real Open Policy Agent say the same.

    both = Agreement(opa_url)
    both.on("sallyport/decision", document)

What an engine cannot answer (undefined, an error) is NOTHING: whoever asks says no to either.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from policy import bundle
from policy.evaluator import UNDEFINED, PolicyUnavailable
from policy.opa import OpaServer, OpaSettings
from policy.rego import RegoEvaluator

NOTHING = "no answer"


class Agreement:
    def __init__(self, opa_url: str, folder: Path) -> None:
        # Not about time: the server may wait for the machine.
        self._server = OpaServer(OpaSettings(url=opa_url, timeout=30))
        self._embedded = RegoEvaluator(bundle.load(folder, with_tests=True))

    def on(self, path: str, document: Mapping[str, Any]) -> Any:
        """What both answer, sets in one order; fails where they differ."""
        text = orjson.dumps(document)
        embedded = _settled(lambda: self._embedded.evaluate(path, text))
        server = _settled(lambda: self._server.ask(path, text).value)

        assert embedded == server, f"{path} of {text.decode()}"
        return embedded


def _settled(ask: Any) -> Any:
    try:
        answer = ask()
    except PolicyUnavailable:
        return NOTHING
    return NOTHING if answer is UNDEFINED else answer
