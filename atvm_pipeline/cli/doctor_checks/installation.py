"""The installation: which release is current, is it the checkout's, is it as it was installed, and do the units fit it."""

import os
from pathlib import Path

from atvm_pipeline.install.deploy import wanted_links
from atvm_pipeline.install.layout import SWEEP_UNIT, Problem
from atvm_pipeline.install.release import Release, is_unchanged, read_release, read_source
from atvm_pipeline.shell.config import settings as env
from atvm_pipeline.shell.supervisor.release import PROJECT, own
from atvm_pipeline.shell.system.subprocesses import systemctl

from .finding import DoctorFinding, Where, bad, good

INSTALLER = "install-atvm-watcher-service.sh"
SYSTEMD = Path("/run/systemd/system")
OUTDATED = "the controller install must be updated before live runs behave as the checkout does"


def installation(where: Where) -> list[DoctorFinding]:
    """Whether an installation is there, whole, and the checkout's."""
    places = where.places
    again = f"{PROJECT if own() is None else '<checkout>'}/bin/{INSTALLER}"
    target = places.target(places.current)
    if target is None:
        if places.package.exists():
            why = "its wrappers and units do not run"
            return bad("installation", f"{places.package} holds no current release", why, again)
        return good("installation", f"none in {places.package}; this is {PROJECT}")
    release = read_release(target)
    if release is None:
        why = "it was not installed by the installer, or was damaged"
        return bad("installation", f"{target} has no readable release.json", why, again)
    return [
        *good("installation", f"{target.name} with Python {release.python}"),
        *_version(release, where),
        *_intact(release, again),
        *_links(release, where, again),
    ]


def _version(release: Release, where: Where) -> list[DoctorFinding]:
    """Against the checkout that we run from; from an installed release, against the one that it was made from."""
    checkout = PROJECT if own() is None else Path(release.source)
    if (
        own() is not None
        and release.folder.resolve() != PROJECT
        and PROJECT.parent == where.places.releases.resolve()
    ):
        text = f"this command runs from {PROJECT.name}, {release.folder.name} is current"
        return bad(
            "version",
            text,
            "it is not what a start would use",
            f"{where.places.package}/bin/atvm-pipeline doctor",
        )
    try:
        source = read_source(checkout)
    except Problem:
        return good("version", f"{release.version}; its checkout {checkout} is not there to compare with")
    if source.content == release.content:
        return good("version", f"{release.version}, the same as the checkout {checkout}")
    text = f"{release.folder.name} is installed, the checkout {checkout} is {source.name}"
    return bad("version", text, OUTDATED, f"{checkout}/bin/{INSTALLER}")


def _intact(release: Release, again: str) -> list[DoctorFinding]:
    why = "nobody knows what it does; the next installation makes it anew"
    try:
        if not is_unchanged(release):
            return bad("release", f"files in {release.folder} were changed by hand", why, again)
        loose = [path for path in (release.folder, release.folder / "bin") if path.stat().st_mode & 0o022]
    except OSError as error:
        return bad("release", f"{release.folder} cannot be read: {error.strerror}", why, again)
    if loose:
        why = "others could change what root executes"
        return bad("release", f"{loose[0]} can be written by others", why, f"chmod -R go-w {release.folder}")
    return good("release", f"{release.folder} is as it was installed")


def _links(release: Release, where: Where, again: str) -> list[DoctorFinding]:
    wanted = wanted_links([path.name for path in (release.folder / "bin").iterdir() if path.is_file()])
    broken = [name for name, to in wanted.items() if _names(where.places.package / name) != to]
    if broken:
        text = f"{', '.join(broken)} in {where.places.package} is missing or not ours"
        return bad("links", text, "what is started there is not the current release", again)
    return good("links", f"every wrapper in {where.places.package} is the current release's")


def _names(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except OSError:
        return None


def old_install(where: Where) -> list[DoctorFinding]:
    """An installation at the place that was used before."""
    old = where.places.old_install
    if not old.exists():
        return []
    why = f"a wrapper started there is an old version; {where.places.package} is the place"
    return bad("old installation", f"{old} is still there", why, f"mv {old} {old}.old")


def units(where: Where) -> list[DoctorFinding]:
    """Whether the units are those of the current release, and loaded."""
    places = where.places
    target = places.target(places.current)
    folder = (target if target is not None else PROJECT) / "units"
    names = sorted(path.name for path in folder.glob("*.service"))
    there = [name for name in names if (places.units / name).is_file()]
    again = f"{places.package}/{INSTALLER}" if target is None else f"<checkout>/bin/{INSTALLER}"
    if not there and target is None:
        return good("units", f"none in {places.units}: starts use --supervisor local")
    findings = []
    for name in names:
        if name not in there:
            why = "systemd cannot start what a run needs"
            findings += bad("units", f"{places.units / name} is missing", why, again)
        elif (places.units / name).read_bytes() != (folder / name).read_bytes():
            why = "it does not fit the release; put a change of yours into a drop-in: systemctl edit"
            findings += bad("units", f"{places.units / name} differs from the release's", why, again)
    findings = findings or good("units", f"{', '.join(names)} as the release has them")
    return findings + (_loaded(names, where) if SYSTEMD.is_dir() and not places.prefixed else [])


def _loaded(names: list[str], where: Where) -> list[DoctorFinding]:
    """What systemd itself says of them: a template is asked about an instance that nobody starts."""
    findings: list[DoctorFinding] = []
    for name in names:
        unit = name.replace("@.", "@doctor.")
        answer = systemctl("show", "--property=LoadState,NeedDaemonReload,FragmentPath,DropInPaths", unit)
        fields = dict(line.partition("=")[::2] for line in answer.text.splitlines())
        if answer.code != 0 or not fields:
            return [*findings, *good("systemd", "cannot be asked about the units")]
        own_path = str(where.places.units / name)
        if fields.get("LoadState") != "loaded":
            text = f"{name} is {fields.get('LoadState')}"
            findings += bad("systemd", text, "it cannot be started", "systemctl daemon-reload")
        elif fields.get("NeedDaemonReload") == "yes":
            why = "systemd still uses what it read before"
            findings += bad("systemd", f"{name} has changed on disk", why, "systemctl daemon-reload")
        elif fields.get("FragmentPath") not in ("", own_path):
            text = f"{name} is read from {fields.get('FragmentPath')}"
            findings += bad(
                "systemd", text, "the installed one is hidden by it", f"remove it, keep {own_path}"
            )
        elif fields.get("DropInPaths"):
            findings += good("systemd", f"{name} has drop-ins: {fields['DropInPaths']}")
    if SWEEP_UNIT in names and systemctl("is-enabled", SWEEP_UNIT).text != "enabled":
        why = "after a reboot nobody closes the runs that it ended"
        findings += bad("systemd", f"{SWEEP_UNIT} is not enabled", why, f"systemctl enable {SWEEP_UNIT}")
    return findings or good("systemd", "every unit is loaded")


def services_state_root(where: Where) -> list[DoctorFinding]:
    """Whether the watcher's unit may write the state root that the environment file names."""
    named = where.places.state_root()
    default = where.places.root / str(env.SYSTEM_STATE_ROOT).lstrip("/")
    drop_in = where.places.units / "atvm-run-watcher@.service.d"
    if named == default or where.places.target(where.places.current) is None:
        return []
    try:
        allowed = any(str(named) in path.read_text() for path in drop_in.glob("*.conf"))
    except (OSError, ValueError):
        allowed = False
    if allowed or not os.path.isdir(where.places.units):  # noqa: PTH112 - a question, no path work
        return []
    why = "the watcher's service sees the file system read-only but for its own state folder"
    mend = f"systemctl edit atvm-run-watcher@.service, with [Service] and ReadWritePaths={named}"
    return bad("state root", f"the services' state root {named} is in no drop-in", why, mend)
