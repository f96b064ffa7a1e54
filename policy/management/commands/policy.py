"""Versions of policy from a shell: list, check, write, go back.

Not publish: that takes two people who have signed in, one who asks and one who agrees.
"""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import Refusal
from policy import checking, engine, signing
from policy.flows import roll_back, write_version
from policy.models import PolicyVersion, Publication
from policy.simulation import MAX_DECISIONS, simulate_rules

CUT_OFF = {
    "": "; there are more, raise --limit",
    "slow": "; cut short, since it took too long: raise --seconds",
    "broken": "; cut short, since rules ended the process that evaluated them",
}


class Command(BaseCommand):
    help = "Versions of policy: list, check, write, rollback, simulate, export, key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parts = parser.add_subparsers(dest="what", required=True)
        parts.add_parser("list", help="every version, and which one counts")
        check = parts.add_parser("check", help="compile the files of a folder and run their tests")
        check.add_argument("folder", type=Path)
        write = parts.add_parser("write", help="keep the files of a folder as a version")
        write.add_argument("folder", type=Path)
        write.add_argument("--by", required=True, metavar="ADDRESS", help="who wrote them")
        write.add_argument("--note", required=True, help="what changes")
        back = parts.add_parser("rollback", help="make what counted before count again")
        back.add_argument(
            "--by",
            required=True,
            metavar="ADDRESS",
            help="an administrator of every organisation",
        )
        back.add_argument("--reason", required=True, help="why")
        export = parts.add_parser("export", help="write the files of a version into a folder")
        export.add_argument("revision", help='as "list" shows it, or "shipped"')
        export.add_argument("folder", type=Path)
        try_out = parts.add_parser("simulate", help="what other rules would have answered")
        try_out.add_argument("rules", help="a revision, or a folder")
        try_out.add_argument("--days", type=int, default=7, help="how far to look back")
        try_out.add_argument("--limit", type=int, default=MAX_DECISIONS, help="how many answers")
        try_out.add_argument("--seconds", type=float, default=600, help="how long it may take")
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

    def _rollback(self, by: str, reason: str, **_: Any) -> None:
        publication = roll_back(publisher=_person(by), reason=reason, now=clock.now())
        self.stdout.write(f"{publication.revision or 'the shipped policy'} counts from now on")

    def _export(self, revision: str, folder: Path, **_: Any) -> None:
        if revision == "shipped":
            modules = dict(engine.shipped().modules)
        else:
            modules = _version(revision).modules
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in modules.items():
            (folder / name).write_text(text)

    def _simulate(self, rules: str, days: int, limit: int, seconds: float, **_: Any) -> None:
        folder, until = Path(rules), clock.now()
        since = until - timedelta(days=days)
        modules = _read(folder) if folder.is_dir() else _version(rules).modules
        report = simulate_rules(modules, since=since, until=until, limit=limit, seconds=seconds)
        more = CUT_OFF[report.stopped] if report.is_cut_off else ""
        if report.stopped and report.reached:
            more += f", back to {report.reached:%Y-%m-%d %H:%M:%S}"
        self.stdout.write(f"{report.base} → {report.draft}: {report.looked_at} answers{more}")
        self.stdout.write(
            f"{report.changed} would change, {report.told_otherwise} give other reasons"
        )
        for (before, after), count in report.by_change.most_common():
            self.stdout.write(f"  {count:6}  {before} → {after}")
        people = get_user_model()._default_manager.in_bulk([u for u in report.by_user if u])  # noqa: SLF001
        for title, counts in (
            ("by user", {str(people.get(u, u) or "nobody"): n for u, n in report.by_user.items()}),
            ("by application", {c or "none": n for c, n in report.by_client.items()}),
        ):
            self.stdout.write(title)
            for name, count in sorted(counts.items(), key=lambda each: -each[1])[:20]:
                self.stdout.write(f"  {count:6}  {name}")
        for change in report.samples:
            self.stdout.write(
                f"{change.one.at:%Y-%m-%d %H:%M:%S} {change.one.decision_id} {change.before} "
                f"({', '.join(change.reasons_before)}) → {change.after} "
                f"({', '.join(change.reasons_after)})"
            )

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
