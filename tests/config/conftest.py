import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.paths import Places
from config.embedded.services import launcher_lock, stop_servers
from tests.config.embedded import data_folder, start


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the suite's own: the launcher decides by what the environment names."""
    for name in list(os.environ):
        if name.startswith("SALLYPORT_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def seed() -> Iterator[Path]:
    """A data folder that was started once, and stopped."""
    with data_folder() as folder:
        start(folder)
        places = Places(folder)
        with launcher_lock(places):
            stop_servers(places)
        yield folder


@pytest.fixture
def var(bare: None, seed: Path) -> Iterator[Path]:
    """A data folder with data, not running."""
    with data_folder(like=seed) as folder:
        yield folder


@pytest.fixture
def empty_var(bare: None) -> Iterator[Path]:
    """A data folder yet to be made."""
    with data_folder() as folder:
        yield folder
