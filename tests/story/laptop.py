"""Her laptop: a file system that the real agent looks at, and the agent."""

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from config.children import PROJECT
from tests.browser.steps import heading
from tests.story.stage import Stage, StoryError
from tests.support import laptops

WAIT_SECONDS = 60
PATCHED_DAYS_AGO = 10


def make_laptop(stage: Stage) -> Path:
    """A healthy Debian laptop, patched ten days ago."""
    root = laptops.debian_laptop(stage.instance.var / "laptop")
    laptops.put(root, "var/lib/dpkg/status", days_old=PATCHED_DAYS_AGO)
    laptops.put(root, "var/lib/apt/periodic/update-success-stamp", days_old=PATCHED_DAYS_AGO)
    return root


def agent(stage: Stage, command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "examples.posture_agent", command),
            *("--root", str(stage.instance.var / "laptop")),
            *("--state", str(stage.instance.var / "agent")),
            *("--server", stage.instance.base_url, "--name", "emma-laptop"),
        ],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def enrol(stage: Stage) -> None:
    """The agent shows a link; she opens it in the browser of that laptop, and touches her passkey."""
    make_laptop(stage)
    page = stage.page
    with agent(stage, "enrol") as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        page.goto(said[1].split()[-1])
        if heading(page).inner_text() == "Confirm it is you":
            page.get_by_role("button", name="passkey").first.click()
        page.locator("#enrol-continue").click()
        expect(page.locator("main")).to_contain_text(said[2].split()[-1])
        page.get_by_label("runs on that machine").check()
        page.get_by_role("button", name="Enrol", exact=True).click()
        expect(page.locator("main")).to_contain_text("emma-laptop")
        rest, _ = process.communicate(timeout=WAIT_SECONDS)
    stage.check("Enrolled as" in rest, f"the agent: {rest.strip()}")


def report(stage: Stage) -> str:
    """Send one signed posture report; what the agent says of the answer."""
    with agent(stage, "report") as process:
        said, _ = process.communicate(timeout=WAIT_SECONDS)
    if process.returncode != 0:
        raise StoryError(f"the agent: {said}")
    return said
