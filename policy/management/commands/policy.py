"""Versions of policy from a shell: list, check, write, publish, go back."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import Refusal
from policy import checking, engine, signing
from policy.flows import publish_version, roll_back, write_version
from policy.models import PolicyVersion, Publication


class Command(BaseCommand):
    help = "Versions of policy: list, check, write, publish, rollback, export, key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="what", required=True)
        parts.add_parser("list", help="every version, and which one counts")
        check = parts.add_parser("check", help="compile the files of a folder and run their tests")
        check.add_argument("folder", type=Path)
        write = parts.add_parser("write", help="keep the files of a folder as a version")
        write.add_argument("folder", type=Path)
        write.add_argument("--by", required=True, metavar="ADDRESS", help="who wrote them")
        write.add_argument("--note", required=True, help="what changes")
        publish = parts.add_parser("publish", help="make a version count")
        publish.add_argument("revision")
        publish.add_argument("--by", required=True, metavar="ADDRESS", help="not who wrote it")
        back = parts.add_parser("rollback", help="make what counted before count again")
        back.add_argument("--by", required=True, metavar="ADDRESS")
        export = parts.add_parser("export", help="write the files of a version into a folder")
        export.add_argument("revision", help='as "list" shows it, or "shipped"')
        export.add_argument("folder", type=Path)
        parts.add_parser("key", help="the public key that OPA servers verify the bundle by, as PEM")

    def handle(self, what: str, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(**options)
        except Refusal as refusal:
            raise CommandError(refusal.detail) from None

    def _list(self, **_: Any) -> None:
        active = Publication.objects.filter(ended_at=None).first()
        mark = "*" if active is None or not active.revision else " "
        self.stdout.write(f"{mark} {engine.shipped().revision}  shipped with the program")
        for version in PolicyVersion.objects.select_related("author").order_by("created_at"):
            mark = "*" if active and active.version_id == version.id else " "
            missing = sorted({name for name, _ in engine.shipped().modules} - {*version.modules})
            lacks = f"; lacks {', '.join(missing)}" if missing else ""
            self.stdout.write(
                f"{mark} {version.revision}  {version.created_at:%Y-%m-%d %H:%M}"
                f"  {version.author.get_username()}: {version.note}{lacks}"
            )

    def _check(self, folder: Path, **_: Any) -> None:
        verdict = checking.check(_read(folder))
        if not verdict.is_good:
            raise CommandError("\n".join(verdict.sentences()))
        self.stdout.write(f"good: {len(verdict.tests)} tests pass")

    def _write(self, folder: Path, by: str, note: str, **_: Any) -> None:
        version = write_version(
            author=_person(by), modules=_read(folder), note=note, now=clock.now()
        )
        self.stdout.write(f"revision: {version.revision}")

    def _publish(self, revision: str, by: str, **_: Any) -> None:
        publish_version(version=_version(revision), publisher=_person(by), now=clock.now())
        self.stdout.write(f"{revision} counts from now on")

    def _rollback(self, by: str, **_: Any) -> None:
        publication = roll_back(publisher=_person(by), now=clock.now())
        self.stdout.write(f"{publication.revision or 'the shipped policy'} counts from now on")

    def _export(self, revision: str, folder: Path, **_: Any) -> None:
        if revision == "shipped":
            modules = dict(engine.shipped().modules)
        else:
            modules = _version(revision).modules
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in modules.items():
            (folder / name).write_text(text)

    def _key(self, **_: Any) -> None:
        self.stdout.write(signing.public_key(now=clock.now()))


def _read(folder: Path) -> dict[str, str]:
    try:
        return {path.name: path.read_text() for path in sorted(folder.glob("*.rego"))}
    except (OSError, UnicodeDecodeError) as failure:
        raise CommandError(f"{folder} cannot be read") from failure


def _person(address: str) -> Any:
    people = get_user_model()
    found = people._default_manager.filter(email=address.strip().lower()).first()  # noqa: SLF001 - Django's documented model API
    if found is None or not found.is_active:
        raise CommandError(f"nobody active has the address {address}")
    return found


def _version(revision: str) -> PolicyVersion:
    found = PolicyVersion.objects.filter(revision=revision).first()
    if found is None:
        raise CommandError(f"there is no version {revision}")
    return found
