"""Prints how large the code is, app by app and at its largest, to look at now and then."""

import ast
import subprocess
from collections import defaultdict
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parent.parent.parent
LARGEST = 10


def main() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split()
    paths = [path for path in listed if "/migrations/" not in path and (PROJECT / path).exists()]
    sizes = {path: _code_lines((PROJECT / path).read_text()) for path in paths}
    by_folder = defaultdict(list)
    for path, size in sizes.items():
        by_folder[path.split("/")[0] if "/" in path else "."].append(size)
    print(f"{'folder':<14}{'files':>7}{'lines':>8}{'median':>8}{'largest':>9}")
    for folder, found in sorted(by_folder.items()):
        print(f"{folder:<14}{len(found):>7}{sum(found):>8}{median(found):>8.0f}{max(found):>9}")
    _print_largest("files", sizes)
    _print_largest("functions", _functions(paths))


def _print_largest(what: str, sizes: dict[str, int]) -> None:
    print(f"\nlargest {what}")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:LARGEST]:
        print(f"{size:>6}  {name}")


def _functions(paths: list[str]) -> dict[str, int]:
    found = {}
    for path in paths:
        for node in ast.walk(ast.parse((PROJECT / path).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{path}:{node.lineno} {node.name}"] = (
                    (node.end_lineno or 0) - node.lineno + 1
                )
    return found


def _code_lines(text: str) -> int:
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


if __name__ == "__main__":
    main()
