"""The story of the design, played by the command that people use."""

import os
import subprocess
import sys

import pytest

from config.children import PROJECT

pytestmark = [pytest.mark.browser, pytest.mark.instance]


def test_every_step_that_is_built_comes_out_as_promised() -> None:
    played = subprocess.run(
        [sys.executable, "-m", "tests.story"],
        cwd=PROJECT,
        env=os.environ.copy(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert played.returncode == 0, played.stdout[-4000:] + played.stderr[-2000:]
    assert "FAILED" not in played.stdout
    assert "11. " in played.stdout
