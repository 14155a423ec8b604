"""``bench completion bash|zsh|fish``: completion of commands and their actions, for the shell to evaluate."""

from __future__ import annotations

import argparse
from importlib import import_module

__all__ = ["register"]

_BASH = """\
_bench() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" words=""
  case "$COMP_CWORD" in
    1) words="{commands}" ;;
    *) case "${{COMP_WORDS[1]}}" in
{cases}
    esac ;;
  esac
  if [[ "$cur" == -* || -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); fi
  if [[ ${{#COMPREPLY[@]}} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "$cur")); fi
}}
complete -o filenames -F _bench bench
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "completion",
        description='Print the completion of `bench` for a shell. bash: eval "$(bench completion bash)" in ~/.bashrc; '
        "zsh: the same after `autoload bashcompinit && bashcompinit`; fish: bench completion fish | source",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    words = _words()
    if args.shell == "fish":
        names = " ".join(words)
        print(f"complete -c bench -n '__fish_use_subcommand' -f -a '{names}'")
        for name, known in words.items():
            for word in known:
                option = f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"
                print(f"complete -c bench -n '__fish_seen_subcommand_from {name}' {option}")
        return 0
    cases = "\n".join(f'      {name}) words="{" ".join(known)}" ;;' for name, known in words.items() if known)
    print(_BASH.format(commands=" ".join(words), cases=cases), end="")
    return 0


def _words() -> dict[str, list[str]]:
    """Actions and options of every command, as its parser knows them."""
    from bench.cli import COMMANDS

    found = {}
    for name in (name for group in COMMANDS.values() for name in group):
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        import_module(f"bench.cli.{name.replace('-', '_')}").register(commands)
        found[name] = sorted(_of(commands.choices[name]))
    return found


def _of(parser: argparse.ArgumentParser) -> set[str]:
    known: set[str] = set()
    for action in parser._actions:
        known.update(option for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            known.update(action.choices)
            for below in action.choices.values():
                known |= _of(below)
    return known
