"""Database constraints that Django's models cannot say, as migration operations."""

from django.db.migrations import RunSQL


def same_organisation(child: str, column: str, parent: str) -> RunSQL:
    """A composite foreign key: `child.column` points to a row of the child's own organisation.

    The parent needs a unique constraint over (id, organisation_id).
    """
    name = f"{child}_{column}_organisation"[:60]
    return RunSQL(
        f'ALTER TABLE "{child}" ADD CONSTRAINT "{name}" '
        f'FOREIGN KEY ("{column}", organisation_id) REFERENCES "{parent}" (id, organisation_id) '
        "DEFERRABLE INITIALLY DEFERRED",
        f'ALTER TABLE "{child}" DROP CONSTRAINT "{name}"',
    )
