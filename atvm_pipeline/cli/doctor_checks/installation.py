"""Checks of the installation: the current release, its checkout, changed files, and the units."""

import os
import re
from pathlib import Path

from atvm_pipeline.install.commands import broken_links
from atvm_pipeline.install.commit import is_behind
from atvm_pipeline.install.deploy import wanted_links
from atvm_pipeline.install.layout import SWEEP_UNIT, Problem
from atvm_pipeline.install.release import Release, is_unchanged, read_release, read_source
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.supervisor.release import PROJECT, own
from atvm_pipeline.shell.system.io_errors import reason_of
from atvm_pipeline.shell.system.subprocesses import systemctl

from .finding import DoctorFinding, Where, bad, good

INSTALLER = "install-atvm-watcher-service.sh"
VERSION_NUMBERS_MAX = 4
SYSTEMD = Path("/run/systemd/system")
WRITING_UNITS = ("atvm-run-watcher@.service", "atvm-run-deliver@.service")
"""The sandboxed units that write to the state root."""
OUTDATED = "the installation must be updated before live runs behave like the checkout"


def installation(where: Where) -> list[DoctorFinding]:
    """Check that an installation is complete and matches the checkout."""
    places = where.places
    again = f"{PROJECT if own() is None else '<checkout>'}/bin/{INSTALLER}"
    target = places.target(places.current)
    if target is None:
        if places.package.exists():
            why = "its wrappers and units do not run"
            return bad("installation", f"{places.package} has no current release", why, again)
        return good("installation", f"not installed in {places.package}; running from {PROJECT}")
    release = read_release(target)
    if release is None:
        why = "it was not made by the installer, or it is damaged"
        return bad("installation", f"{target} has no readable release.json", why, again)
    return [
        *good("installation", f"{target.name} with Python {release.python}"),
        *_version(release, where),
        *_intact(release, again),
        *_links(release, where, again),
        *_commands(release, where, again),
    ]


def _version(release: Release, where: Where) -> list[DoctorFinding]:
    """Compare the release with the checkout of this program; if this is an installed release, with its source checkout."""
    checkout = PROJECT if own() is None else Path(release.source)
    if (
        own() is not None
        and release.folder.resolve() != PROJECT
        and PROJECT.parent == where.places.releases.resolve()
    ):
        text = f"this command runs from {PROJECT.name}, but {release.folder.name} is current"
        return bad(
            "version",
            text,
            "a start uses the current release",
            f"{where.places.package}/bin/atvm-pipeline doctor",
        )
    try:
        source = read_source(checkout)
    except Problem:
        return good(
            "version", f"{release.version}; its checkout {checkout} does not exist, so it is not compared"
        )
    if source.content == release.content:
        return good("version", f"{release.version}, the same as the checkout {checkout}")
    if _numbers(source.version) < _numbers(release.version) or is_behind(checkout, release.commit):
        text = f"{release.folder.name} is installed; the checkout {checkout} is older ({source.name})"
        return good("version", f"{text}: update it before you install from it, with: git -C {checkout} pull")
    text = f"{release.folder.name} is installed, but the checkout {checkout} is {source.name}"
    return bad("version", text, OUTDATED, f"{checkout}/bin/{INSTALLER}")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, for a comparison."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:VERSION_NUMBERS_MAX])


def _intact(release: Release, again: str) -> list[DoctorFinding]:
    why = "its behaviour is not that of the release; a new installation replaces it"
    try:
        if not is_unchanged(release):
            return bad("release", f"files in {release.folder} were changed by hand", why, again)
        loose = [path for path in (release.folder, release.folder / "bin") if path.stat().st_mode & 0o022]
    except OSError as error:
        return bad("release", f"{release.folder} cannot be read: {reason_of(error)}", why, again)
    if loose:
        why = "other users could change programs that root executes"
        return bad(
            "release", f"{loose[0]} can be written by other users", why, f"chmod -R go-w {release.folder}"
        )
    return good("release", f"{release.folder} is as it was installed")


def _links(release: Release, where: Where, again: str) -> list[DoctorFinding]:
    wanted = wanted_links([path.name for path in (release.folder / "bin").iterdir() if path.is_file()])
    broken = [name for name, to in wanted.items() if _names(where.places.package / name) != to]
    if broken:
        text = f"missing or wrong links in {where.places.package}: {', '.join(broken)}"
        return bad("links", text, "a wrapper started there is not the current release's", again)
    return good("links", f"every wrapper in {where.places.package} belongs to the current release")


def _commands(release: Release, where: Where, again: str) -> list[DoctorFinding]:
    commands = where.places.commands
    broken = broken_links(where.places, [path.name for path in (release.folder / "bin").iterdir()])
    if broken:
        text = f"missing links in {commands}: {', '.join(broken)}"
        return bad("commands", text, "these commands are not on PATH", again)
    return good("commands", f"the commands in {commands} belong to the installation")


def _names(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except OSError:
        return None


def old_install(where: Where) -> list[DoctorFinding]:
    """Check that no installation is left in the directory of older versions."""
    old = where.places.old_install
    if not old.exists():
        return []
    why = f"a wrapper started there is an old version; the current one is in {where.places.package}"
    return bad("old installation", f"{old} still exists", why, f"mv {old} {old}.old")


def units(where: Where) -> list[DoctorFinding]:
    """Check that the units are those of the current release, and that systemd has loaded them."""
    places = where.places
    target = places.target(places.current)
    folder = (target if target is not None else PROJECT) / "units"
    names = sorted(path.name for path in folder.glob("*.service"))
    present = [name for name in names if (places.units / name).is_file()]
    again = f"{places.package}/{INSTALLER}" if target is None else f"<checkout>/bin/{INSTALLER}"
    if not present and target is None:
        return good("units", f"not installed in {places.units}: starts use --supervisor local")
    findings = []
    for name in names:
        if name not in present:
            why = "systemd cannot start the services of a run"
            findings += bad("units", f"{places.units / name} is missing", why, again)
        elif (places.units / name).read_bytes() != (folder / name).read_bytes():
            why = "it may not work with the release; make your own changes in a drop-in: systemctl edit"
            findings += bad("units", f"{places.units / name} differs from the release's unit", why, again)
    findings = findings or good("units", f"{', '.join(names)} are those of the release")
    return findings + (_loaded(names, where) if SYSTEMD.is_dir() and not places.prefixed else [])


def _loaded(names: list[str], where: Where) -> list[DoctorFinding]:
    """Check the units as systemd sees them; a template is queried through an instance that is never started."""
    findings: list[DoctorFinding] = []
    for name in names:
        unit = name.replace("@.", "@doctor.")
        answer = systemctl("show", "--property=LoadState,NeedDaemonReload,FragmentPath,DropInPaths", unit)
        fields = dict(line.partition("=")[::2] for line in answer.text.splitlines())
        if answer.code != 0 or not fields:
            return [*findings, *good("systemd", "not checked: systemctl does not show the units")]
        own_path = str(where.places.units / name)
        if fields.get("LoadState") != "loaded":
            text = f"{name} is {fields.get('LoadState')}"
            findings += bad("systemd", text, "it cannot be started", "systemctl daemon-reload")
        elif fields.get("NeedDaemonReload") == "yes":
            why = "systemd still uses the old version"
            findings += bad("systemd", f"{name} has changed on disk", why, "systemctl daemon-reload")
        elif fields.get("FragmentPath") not in ("", own_path):
            text = f"{name} is loaded from {fields.get('FragmentPath')}"
            findings += bad(
                "systemd", text, "it overrides the installed unit", f"remove it and keep {own_path}"
            )
        elif fields.get("DropInPaths"):
            findings += good("systemd", f"{name} has drop-ins: {fields['DropInPaths']}")
    if SWEEP_UNIT in names and systemctl("is-enabled", SWEEP_UNIT).text != "enabled":
        why = "runs that a reboot ends would not be reported"
        findings += bad("systemd", f"{SWEEP_UNIT} is not enabled", why, f"systemctl enable {SWEEP_UNIT}")
    return findings or good("systemd", "every unit is loaded")


def services_state_root(where: Where) -> list[DoctorFinding]:
    """Check that the units that deliver messages may write to the state root of the environment file."""
    named = where.places.state_root()
    default = where.places.root / str(env.SYSTEM_STATE_ROOT).lstrip("/")
    if named == default or where.places.target(where.places.current) is None:
        return []
    if not os.path.isdir(where.places.units):  # noqa: PTH112 - a question, no path work
        return []
    missing = [unit for unit in WRITING_UNITS if not _may_write(where.places.units / f"{unit}.d", named)]
    why = "the service can write only to its default state directory"
    return [
        finding
        for unit in missing
        for finding in bad(
            "state root",
            f"no drop-in allows {unit} to write to the state root {named}",
            why,
            f"systemctl edit {unit}, with [Service] and ReadWritePaths={named}",
        )
    ]


def _may_write(drop_in: Path, folder: Path) -> bool:
    try:
        return any(str(folder) in path.read_text() for path in drop_in.glob("*.conf"))
    except (OSError, ValueError):
        return False
