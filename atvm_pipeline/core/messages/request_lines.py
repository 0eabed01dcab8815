"""The attachment of a message: the request in one line per value, the time, and where to look."""

from datetime import datetime

from atvm_pipeline.core.events import Metadata, RunRequested
from atvm_pipeline.core.local_time import local_clock, local_text
from atvm_pipeline.core.reason_parts import checked_hosts_note
from atvm_pipeline.core.state import Run
from atvm_pipeline.core.text import code_span

from .markdown import code_free, link_or_text

SCOPE_CHARS_MAX = 200
HOSTS_CHARS_MAX = 400
PATH_CHARS_MAX = 200


def request_lines(run: Run, started: datetime | None, finished: datetime | None) -> str:
    """Return the values of the request, the hosts checked and the time, each on its own line; unknown ones are left out."""
    about: Metadata = run.request.metadata
    scope = about.scope_description
    pairs = (
        ("Template", _span(about.template)),
        *_config(about),
        ("Migration style", _span(about.migration_style)),
        ("Integration plugin", _span(about.integration_plugin)),
        ("Scope", code_span(scope, SCOPE_CHARS_MAX) if scope else ""),
        ("Hosts checked", _hosts_checked(run)),
        ("Time", _times(run, started, finished)),
        ("Started by", _span(run.request.started_by)),
    )
    return "\n".join(f"{title}: {value}" for title, value in pairs if value)


def where_to_look(run: Run, url: str | None) -> str:
    """Return the recorded run that Cypress has printed, the command that explains the run, and its log."""
    lines = [link_or_text("Recorded run", url, run.request.messages.link_hosts)] if url else []
    command = code_span("atvm-pipeline explain " + (run.request.build_name or "BUILD"))
    controller = run.request.controller
    lines.append(f"on {code_span(controller)}: {command}" if controller else command)
    return "\n".join([*lines, f"log {code_span(run.request.log_path, PATH_CHARS_MAX)}"])


def has_doubtful_hosts(request: RunRequested) -> bool:
    """Return whether a part of the build name is not checked, or is a requested host only because of its form."""
    return bool(request.not_checked) or "looks-like" in request.host_sources.values()


def _span(text: str | None) -> str:
    return code_span(text) if text else ""


def _config(about: Metadata) -> tuple[tuple[str, str], ...]:
    if not about.config_family:
        return (("Config file", _span(about.config_file)),)
    file = f", file {code_span(about.config_file)}" if about.config_file else ""
    return (("Config family", code_span(about.config_family) + file),)


def _hosts_checked(run: Run) -> str:
    """Return the requested hosts, unless the text has them."""
    if not run.request.requested_hosts or has_doubtful_hosts(run.request):
        return ""
    return code_free(checked_hosts_note(run.request).removeprefix("hosts checked: "), HOSTS_CHARS_MAX)


def _times(run: Run, started: datetime | None, finished: datetime | None) -> str:
    """Return start and end in the controller's local time, with the date and the offset once."""
    offset_s = run.utc_offset_s
    if run.request.offline or finished is None:
        return ""
    if started is None:
        return f"ended {local_text(finished, offset_s)}"
    return f"started {local_text(started, offset_s)}, ended {local_clock(finished, started, offset_s)}"
