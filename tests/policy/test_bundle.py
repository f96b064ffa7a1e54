"""The Rego files: their own tests, what they may not do, and who evaluates them."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from regorus import Engine

from policy import bundle, checking, engine
from policy.checking import BANNED

FOLDER = Path(__file__).resolve().parent.parent.parent / "policies"
SOURCES = sorted(path for path in FOLDER.glob("*.rego") if not path.stem.endswith("_test"))
TESTS = sorted(FOLDER.glob("*_test.rego"))


def rego_tests() -> list[tuple[str, str]]:
    return [
        (path.name, name)
        for path in TESTS
        for name in re.findall(r"^(test_\w+) if", path.read_text(), re.MULTILINE)
    ]


def test_every_policy_has_tests():
    assert {f"{path.stem}_test" for path in SOURCES} == {path.stem for path in TESTS}
    assert len(rego_tests()) >= 8


@pytest.mark.parametrize(("file", "name"), rego_tests(), ids=str)
def test_the_policy_passes_its_own_tests(file, name):
    engine = Engine()
    for path in (*SOURCES, *TESTS):
        engine.add_policy(path.name, path.read_text())
    package = re.search(r"^package (\S+)", (FOLDER / file).read_text(), re.MULTILINE)
    assert package is not None
    engine.set_input_json("{}")

    assert engine.eval_rule_as_json(f"data.{package[1]}.{name}") == "true"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: path.name)
@pytest.mark.parametrize("word", BANNED)
def test_a_policy_judges_facts_and_nothing_else(path, word):
    code = re.sub(r"#.*", "", path.read_text())

    assert word not in code


def test_they_may_be_published_as_they_are():
    verdict = checking.examine({path.name: path.read_text() for path in (*SOURCES, *TESTS)})

    assert verdict.sentences() == []
    assert len(verdict.tests) == len(rego_tests())


def test_tests_are_no_part_of_the_bundle():
    modules = dict(bundle.load(FOLDER).modules)

    assert sorted(modules) == [path.name for path in SOURCES]


def test_the_revision_names_the_content(tmp_path):
    (tmp_path / "a.rego").write_text("package a")
    first = bundle.load(tmp_path).revision
    (tmp_path / "a.rego").write_text("package  a")
    second = bundle.load(tmp_path).revision
    (tmp_path / "a.rego").write_text("package a")

    assert first != second
    assert bundle.load(tmp_path).revision == first
    assert re.fullmatch(r"[0-9a-f]{12}", first)


def test_a_file_cannot_lend_its_content_to_its_neighbour(tmp_path):
    """Names and contents are kept apart in the revision."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, files in (
        (one, {"a.rego": "package a", "b.rego": "package b"}),
        (two, {"a.rego": "package ab.regopackage b"}),
    ):
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)

    assert bundle.load(one).revision != bundle.load(two).revision


def test_a_package_stands_in_one_file(tmp_path):
    """Two would be evaluated wrongly by the embedded engine, in tests of them."""
    (tmp_path / "a.rego").write_text("package sallyport\n")
    (tmp_path / "b.rego").write_text("package sallyport\n")

    with pytest.raises(ValueError, match=r"b\.rego: the package sallyport stands in a\.rego"):
        engine.configure(tmp_path)


def test_the_evaluator_is_the_distribution_we_chose():
    """PyPI's `regorus` is somebody else's name; ours is gordon-to-regorus."""
    owners = metadata.packages_distributions()["regorus"]

    assert set(owners) == {"gordon-to-regorus"}
