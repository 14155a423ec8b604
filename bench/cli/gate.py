"""`bench gate RUN`: does a run meet the release policy? And the bundle that proves it to whoever was not there.

    bench gate RUN [--policy FILE]       judge a run; RUN is its folder, or one with runs in it, of which the newest
    bench gate verify BUNDLE             is a bundle whole, and who signed it?
    bench gate schema                    print the JSON Schema of release policies, for editors

Exit codes: 0 met (verify: whole), 1 not met (verify: not whole, or not signed by that key), 2 no verdict: there is no
run, its evidence is damaged, or the policy is not valid.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.arguments import day
from bench.cli.outputs import check_zip

if TYPE_CHECKING:
    import argparse

__all__ = ["register"]

_USAGE = """bench gate [RUN] [--policy FILE] [--as-of DAY] [--json] [--bundle ZIP [--key PEM] [--without-images]]
       bench gate verify BUNDLE [--public-key PEM] [--json]
       bench gate schema"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `bench gate`."""
    gate = commands.add_parser(
        "gate",
        usage=_USAGE,
        description="Judge a run by a release policy.",
        epilog="exit codes: 0 met, 1 not met, 2 no verdict (no run, damaged evidence, policy not valid)",
    )
    gate.add_argument(
        "what", metavar="RUN", nargs="?", default="evidence", help="its folder (default: the newest in ./evidence)"
    )
    gate.add_argument("file", metavar="BUNDLE", nargs="?", help="after `verify`: the bundle")
    gate.add_argument("--policy", metavar="FILE", default="release.yaml", help="the policy (default: release.yaml)")
    gate.add_argument("--as-of", metavar="DAY", type=day, help="judge as on that day (default: today)")
    gate.add_argument("--json", action="store_true", help="the verdict as one JSON object")
    gate.add_argument("--bundle", metavar="ZIP", help="write run, policy and verdict into one file of evidence")
    gate.add_argument("--key", metavar="PEM", help="sign the bundle with this private key: Ed25519, ECDSA or RSA")
    gate.add_argument("--without-images", action="store_true", help="leave out the bytes of images; digests stay")
    gate.add_argument("--public-key", metavar="PEM", help="verify: who must have signed the bundle")
    gate.set_defaults(run=lambda args: _run(args, gate))


def _run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    verifies = args.what == "verify"
    if verifies != (args.file is not None):
        parser.error("`verify` wants one BUNDLE" if verifies else f"unexpected {args.file!r}")
    if args.key and not args.bundle:
        parser.error("--key signs a bundle: say --bundle ZIP as well")
    if args.public_key and not verifies:
        parser.error("--public-key is for `bench gate verify BUNDLE`")
    if verifies:
        return _verify(args)
    return _schema() if args.what == "schema" else _judge(args)


def _judge(args: argparse.Namespace) -> int:
    from bench.report.gate import judge, load_policy, read_run

    if args.bundle:
        check_zip(Path(args.bundle), Path(args.policy), *([Path(args.key)] if args.key else []))
    policy = load_policy(Path(args.policy))
    run = read_run(_newest(Path(args.what)))
    verdict = judge(policy, run, args.as_of or datetime.now(UTC).date())
    if args.bundle:
        from bench.report.bundle import load_private_key, write_bundle

        key = load_private_key(Path(args.key)) if args.key else None
        write_bundle(Path(args.bundle), run.folder, Path(args.policy), verdict, key=key, images=not args.without_images)
    if args.json:
        print(json.dumps(verdict.as_data(), indent=2))
    else:
        print("\n".join(verdict.lines()))
        if args.bundle:
            print(f"bundle: {args.bundle}")
    return 0 if verdict.met else 1


def _newest(folder: Path) -> Path:
    """The folder itself where it is a run, else the newest run in it. Runs are named by their start."""
    runs = [path for path in folder.glob("[0-9]*-[0-9]*") if path.is_dir()] if folder.is_dir() else []
    if not runs or (folder / "plan.json").exists():
        return folder
    return max(runs, key=lambda path: [int(part) for part in path.name.split("-") if part.isdecimal()])


def _verify(args: argparse.Namespace) -> int:
    from bench.report.bundle import BundleRefused, load_public_key, verify_bundle

    key = load_public_key(Path(args.public_key)) if args.public_key else None
    try:
        checked = verify_bundle(Path(args.file), key)
    except BundleRefused as error:
        if args.json:
            print(json.dumps({"whole": False, "problems": list(error.problems)}, indent=2))
        for problem in error.problems if not args.json else ():
            print(f"{args.file}: {problem}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"whole": True, **checked.as_data()}, indent=2))
    else:
        print("\n".join(checked.lines()))
    return 0


def _schema() -> int:
    from bench.report.gate.policy_fields import POLICY
    from bench.settings import json_schema

    json.dump(json_schema(POLICY, title="release policy of OTA bench"), sys.stdout, indent=2)
    print()
    return 0
