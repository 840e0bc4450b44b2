#!/usr/bin/env python3
"""Keep the few browser files of others, with nothing but Python.

``lock``   fetch what vendor.toml names, verify each archive against the registry's SHA-512, take out only the named files
           and the licence, write vendor.lock.json. Refuses an archive that changed under a version already locked.
``check``  verify the committed files against vendor.lock.json, without a network. Exit status 1 if one differs, is missing
           or is unknown.

The address of the registry is asked from npm when it is needed (or taken from NPM_CONFIG_REGISTRY) and kept nowhere.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent
WANTED = TOOLS / "vendor.toml"
LOCK = TOOLS / "vendor.lock.json"
TARGET = TOOLS.parent / "lms" / "static" / "vendor"


def registry() -> str:
    """The registry that this machine is set up for."""
    found = os.environ.get("NPM_CONFIG_REGISTRY", "")
    if not found:
        asked = subprocess.run(
            ["npm", "config", "get", "registry"], capture_output=True, text=True, check=True
        )
        found = asked.stdout.strip()
    return found.rstrip("/")


def fetch(address: str) -> bytes:
    """The body behind an address."""
    with urllib.request.urlopen(address, timeout=120) as answer:
        body: bytes = answer.read()
    return body


def integrity(data: bytes) -> str:
    """The digest in the form that registries and browsers use."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode("ascii")


def take(name: str, wanted: dict[str, Any], locked: dict[str, Any]) -> dict[str, Any]:
    """Fetch one package and write its files; returns its entry in the lock."""
    meta = json.loads(fetch(f"{registry()}/{name.replace('/', '%2f')}"))["versions"][wanted["version"]]
    stated = meta["dist"]["integrity"]
    if locked.get("version") == wanted["version"] and locked["integrity"] != stated:
        sys.exit(f"{name} {wanted['version']}: the archive changed under a fixed version")
    archive = fetch(meta["dist"]["tarball"])
    if integrity(archive) != stated:
        sys.exit(f"{name}: the archive does not match its digest")
    kept: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {member.name.partition("/")[2]: member for member in tar.getmembers() if member.isfile()}
        for source, target in wanted["files"].items():
            kept[target] = _content(tar, members[source])
        licence = next((member for path, member in members.items() if path.upper().startswith("LICEN")), None)
        if licence is None:
            sys.exit(f"{name}: no licence in the archive")
        kept[f"LICENSES/{name.replace('/', '__')}.txt"] = _content(tar, licence)
    for target, data in kept.items():
        path = TARGET / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {
        "version": wanted["version"],
        "license": meta.get("license"),
        "integrity": stated,
        "files": {target: hashlib.sha256(data).hexdigest() for target, data in sorted(kept.items())},
    }


def lock() -> int:
    """Fetch everything and write the lock."""
    old = json.loads(LOCK.read_text("utf-8")) if LOCK.exists() else {}
    wanted = tomllib.loads(WANTED.read_text("utf-8"))
    new = {name: take(name, one, old.get(name, {})) for name, one in wanted.items()}
    LOCK.write_text(json.dumps(new, indent=1, sort_keys=True) + "\n", "utf-8")
    for name, one in new.items():
        print(name, one["version"], one["license"], *one["files"])
    return 0


def check() -> int:
    """Compare the committed files with the lock, and the lock with what is wanted."""
    locked = json.loads(LOCK.read_text("utf-8"))
    wanted = tomllib.loads(WANTED.read_text("utf-8"))
    problems = [
        f"{name}: lock and vendor.toml disagree"
        for name in sorted(wanted.keys() | locked.keys())
        if wanted.get(name, {}).get("version") != locked.get(name, {}).get("version")
    ]
    known = {target: digest for one in locked.values() for target, digest in one["files"].items()}
    for target, digest in known.items():
        path = TARGET / target
        if not path.exists():
            problems.append(f"{target}: missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"{target}: differs from the lock")
    found = {str(path.relative_to(TARGET)) for path in TARGET.rglob("*") if path.is_file()}
    problems += [f"{target}: nobody asked for it" for target in sorted(found - known.keys())]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file
    return file.read()


if __name__ == "__main__":
    acts = {"lock": lock, "check": check}
    if len(sys.argv) != 2 or sys.argv[1] not in acts:
        sys.exit("usage: vendor.py lock | check")
    sys.exit(acts[sys.argv[1]]())
