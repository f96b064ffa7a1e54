"""What Python's `time` says is off by the seconds in a file, where libfaketime is not to be had."""

import os
import time
from pathlib import Path

_FILE = Path(os.environ["WRONG_CLOCK_FILE"])
_time, _time_ns = time.time, time.time_ns  # noqa: TID251 - this is what is wrong


def _off() -> int:
    return int(_FILE.read_text())


time.time = lambda: _time() + _off()  # noqa: TID251
time.time_ns = lambda: _time_ns() + _off() * 1_000_000_000
