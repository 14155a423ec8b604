"""``bench init``: what a firmware repository needs to be tested here: boards.yaml, a first scenario, CI files.

Nothing that is there already is touched; it is said to be kept. Exit code 0.
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path

__all__ = ["register"]

_CI = {
    "github": (".github/workflows/ota-bench.yml", "github.yml"),
    "gitlab": (".gitlab-ci.ota-bench.yml", "gitlab.yml"),
    "jenkins": ("Jenkinsfile.ota-bench", "Jenkinsfile"),
}


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "init", description="Write boards.yaml, a first scenario and CI files into a firmware repository."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: here")
    parser.add_argument(
        "--ci",
        action="append",
        choices=(*_CI, "none"),
        help="which CI; may be given several times (default: all three)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from bench.errors import BenchError

    if not args.folder.is_dir():
        raise BenchError(f"{args.folder} is no folder: make it first, or name the firmware repository")
    wanted = {
        "ota-tests/boards.yaml": "boards.yaml",
        "ota-tests/conftest.py": "conftest.py",
        "ota-tests/pytest.ini": "pytest.ini",
        "ota-tests/scenarios/test_first.py": "test_first.py",
        "ota-tests/README.md": "README.md",
    }
    for name in [name for name in args.ci or list(_CI) if name != "none"]:
        wanted.update([_CI[name]])
    for path, template in wanted.items():
        _write(args.folder / path, template)
    print(f"\nnow: cd {args.folder / 'ota-tests'} && pytest")
    return 0


def _write(path: Path, template: str) -> None:
    text = (files("bench.cli") / "templates" / template).read_text(encoding="utf-8")
    if path.exists():
        print(f"kept     {path}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"written  {path}")
