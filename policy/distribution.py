"""The bundle that counts, as OPA servers fetch it: a gzipped tar with manifest and signature."""

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from datetime import datetime

from policy import engine, signing
from policy.bundle import Bundle
from policy.models import PolicyVersion
from policy.versions import Published


@dataclass(frozen=True, slots=True)
class Archive:
    revision: str
    etag: str
    body: bytes


class _Made:
    """The last one made: a process is asked for it again and again."""

    archive: Archive | None = None


def archive(active: str, *, now: datetime) -> Archive:
    """The archive of what counts. active: as `policy.versions.ACTIVE_REVISION` has it.

    Raises PolicyUnavailable where the published version is not to be trusted.
    """
    bundle = Published().load(active) if active else engine.shipped()
    kid = signing.active_kid(now=now)
    etag = f'"{bundle.revision}-{kid}"'
    made = _Made.archive
    if made is None or made.etag != etag:
        if active:
            signature = PolicyVersion.objects.get(revision=active).signature
        else:
            signature = signing.sign(bundle, now=now)
        made = _Made.archive = Archive(bundle.revision, etag, build(bundle, signature))
    return made


def build(bundle: Bundle, signature: str) -> bytes:
    """The same bytes for the same files and signature."""
    files = signing.files_of(bundle)
    files[".signatures.json"] = json.dumps({"signatures": [signature]}).encode()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return gzip.compress(plain.getvalue(), mtime=0)
