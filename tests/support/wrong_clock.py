"""A process whose clock is off, and may be set while it runs; every other one's is right.

By libfaketime (Debian: `apt-get install libfaketime`), which is below Python and Rust alike; where
it is not installed, by what `time.time` says, which is all that Python code of ours reads.
"""

import os
from pathlib import Path

FAKETIME = "/usr/lib/{}/faketime/libfaketime.so.1".format(os.uname().machine + "-linux-gnu")


class WrongClock:
    """environment: what to start the process with. `set(seconds)`: how far it is off from now on."""

    def __init__(self, folder: Path, seconds: int = 0) -> None:
        self._file = folder / "wrong-clock"
        self._library = Path(os.environ.get("FAKETIME_LIBRARY", FAKETIME))
        self.set(seconds)

    def set(self, seconds: int) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        if self._library.exists():
            return {
                "LD_PRELOAD": str(self._library),
                "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_NO_CACHE": "1",
                # What lasts is not moved: only the time of day is wrong.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        return {
            "PYTHONPATH": str(Path(__file__).parent / "off"),
            "WRONG_CLOCK_FILE": str(self._file),
        }
