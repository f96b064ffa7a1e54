"""What the command line prints of what others have written."""

from pathlib import Path

import pytest

from sallyport_cli.__main__ import main
from sallyport_cli.failure import Code


def test_words_of_others_do_not_steer_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "\x1b[2J\u202ehome"
    home.mkdir()
    kept = home / "session.json"
    kept.write_text("no JSON")
    kept.chmod(0o600)
    monkeypatch.setenv("SALLYPORT_HOME", str(home))

    assert main(["whoami"]) == Code.NOT_SIGNED_IN

    said = capsys.readouterr().err
    assert "?[2J?home" in said
    assert said.endswith("sign in anew.\n")
