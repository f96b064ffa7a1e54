"""`sallyport <command>`, or `python -m sallyport_cli <command>`."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

from sallyport_cli import commands, telling
from sallyport_cli.commands import Told
from sallyport_cli.failure import Failure
from sallyport_cli.server import Say

EPILOG = """exit codes: 0 done; 1 refused; 2 the call does not fit; 3 sign in first; 4 a proof is
needed, at the page that is named; 5 Sallyport does not answer; 6 not approved"""
WAIT_SECONDS = 300

Command = Callable[[Namespace, Say], Told]


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    asked = _parser().parse_args(words)
    command: Command = asked.command
    try:
        told = command(asked, _say)
    except Failure as failure:
        _say(failure.words)
        return int(failure.code)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(json.dumps(told.answer, indent=2) if asked.json else told.words)
    return 0


def _say(words: str) -> None:
    """What is said on the way goes beside the answer, so that `--json` is JSON alone.

    The server's words are among it, and steer the terminal no more than those in answers do.
    """
    print("\n".join(map(telling.plain, words.split("\n"))), file=sys.stderr, flush=True)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="sallyport", description="Access for a time.", epilog=EPILOG)
    parser.add_argument("--json", action="store_true", help="answer as the API does")
    of = parser.add_subparsers(required=True, metavar="<command>")

    def add(name: str, command: Command, words: str) -> ArgumentParser:
        found = of.add_parser(name, help=words, description=words)
        found.set_defaults(command=command)
        return found

    found = add("login", commands.login, "sign in, at a browser")
    found.add_argument("address", help="of Sallyport: https://id.example.org")
    found.add_argument("--client-id", default="", help="as your administrator gave it")
    add("logout", commands.logout, "give the tokens back")
    add("whoami", commands.whoami, "who is signed in here")
    add("list", commands.list_access, "what you have, and what you may ask for")
    found = add("history", commands.history, "what you had before")
    found.add_argument("--limit", type=int, default=20)
    found = add("explain", commands.explain, "what would be asked of you, and who could approve")
    found.add_argument("entitlement")
    found = add("request", commands.request, "ask for access")
    found.add_argument("entitlement")
    _wish(found)
    found.add_argument(
        "--workload", default="", help="the client_id of an application that you answer for"
    )
    found.add_argument("--dry-run", action="store_true", help="only tell what would become of it")
    found.add_argument("--wait", action="store_true", help="until it is answered")
    found = add("show", commands.show, "a request in full")
    found.add_argument("id")
    add("inbox", commands.inbox, "what waits for your answer")
    for name, command, words in (
        ("approve", commands.approve, "say yes to a request"),
        ("deny", commands.deny, "say no to a request"),
        ("revoke", commands.revoke, "take away what was approved"),
    ):
        found = _about_one(add(name, command, words))
        found.add_argument("--reason", default="")
    _about_one(add("activate", commands.activate, "begin what was approved"))
    _about_one(add("drop", commands.drop, "give active access back"))
    _about_one(add("cancel", commands.cancel, "withdraw a request"))
    found = _waiting(add("break-glass", commands.break_glass, "take access in an emergency"))
    found.add_argument("entitlement")
    found.add_argument("--minutes", type=int, default=None)
    found.add_argument("--reason", required=True)
    _wish(_about_one(add("extend", commands.extend, "ask to have it for longer")))
    return parser


def _about_one(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("id")
    return _waiting(parser)


def _waiting(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--wait", action="store_true", help="for a proof in the browser")
    parser.set_defaults(wait_seconds=WAIT_SECONDS)
    return parser


def _wish(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=int, default=None)
    parser.add_argument("--reason", default="")
    parser.add_argument("--ticket", default="")


if __name__ == "__main__":
    sys.exit(main())
