"""Result of each check of the preflight, for the operator: passed, found something, or not checkable and why."""

from collections.abc import Collection
from typing import Literal

import msgspec

from atvm_pipeline.core.dialect import Dialect
from atvm_pipeline.core.hosts.requested_hosts import RequestedHosts
from atvm_pipeline.core.text import join_names

from .checks import (
    BUILD_NAME_OPTIONS,
    CONFIG_FILE_OPTIONS,
    find_mismatches,
    is_expanded_later,
    is_parsed,
    option_values,
    show_value,
)

CheckOutcome = Literal["ok", "notice", "mismatch", "not-checked"]
"""`mismatch` refuses the start; `not-checked`: it cannot be known here, and the text has the reason."""


class PreflightCheck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The result of one check."""

    check: str
    """The subject, in one to three words."""
    outcome: CheckOutcome
    text: str
    """One line: the result, a problem with its solution, or why it cannot be checked."""
    code: str = ""
    """The code of the finding (`PreflightFinding.code`); empty without one."""


SUBJECTS = {
    "build-name": "build name",
    "config-file": "same config file",
    "spec-pattern": "spec pattern",
    "unknown-host": "spec pattern",
    "extra-hosts": "spec pattern",
    "categorize": "categorize",
}
"""Code of a finding -> subject of its check."""


def compare_request(
    *,
    build_name: str,
    requested: RequestedHosts,
    template_command: str | None,
    runner_command: str | None,
    config_file: str | None,
    categorize: bool,
    matched_specs: tuple[str, ...] | None,
    specs_unknown: str,
    known: Collection[str],
    dialect: Dialect,
) -> tuple[PreflightCheck, ...]:
    """Return the result of every comparison, in a fixed order; a comparison may have several findings.

    The arguments are those of `find_mismatches`. `specs_unknown`: why there are no `matched_specs`.
    """
    findings = find_mismatches(
        build_name=build_name,
        requested=requested,
        template_command=template_command,
        runner_command=runner_command,
        config_file=config_file,
        categorize=categorize,
        matched_specs=matched_specs,
        known=known,
        dialect=dialect,
    )
    runner = runner_command or ""
    without_finding = {
        "build name": _build_name(runner),
        "same config file": _same_config(template_command or "", runner, config_file),
        "spec pattern": _spec_pattern(requested, matched_specs, specs_unknown),
        "categorize": _categorize(runner, categorize=categorize),
    }
    checks: list[PreflightCheck] = []
    for subject, passed in without_finding.items():
        found = [
            PreflightCheck(
                check=subject,
                outcome="mismatch" if finding.certain else "notice",
                text=finding.text,
                code=finding.code,
            )
            for finding in findings
            if SUBJECTS[finding.code] == subject
        ]
        checks += found or [passed]
    return tuple(checks)


def _ok(check: str, text: str) -> PreflightCheck:
    return PreflightCheck(check=check, outcome="ok", text=text)


def _unknown(check: str, text: str) -> PreflightCheck:
    return PreflightCheck(check=check, outcome="not-checked", text=text)


def _build_name(runner: str) -> PreflightCheck:
    values = option_values(runner, BUILD_NAME_OPTIONS)
    if not values:
        return _unknown("build name", f"the runner command has no {BUILD_NAME_OPTIONS[0]}")
    if any(map(is_expanded_later, values)):
        return _unknown("build name", f"the shell expands the {BUILD_NAME_OPTIONS[0]} of the runner command")
    return _ok("build name", f"the runner command has the same {BUILD_NAME_OPTIONS[0]}")


def _same_config(template: str, runner: str, config_file: str | None) -> PreflightCheck:
    named = [
        place
        for place, command in (("the template command", template), ("the runner command", runner))
        if option_values(command, CONFIG_FILE_OPTIONS)
    ]
    named += ["--config-file"] if config_file else []
    if not named:
        return _unknown("same config file", "neither a command nor --config-file names a config file")
    if len(named) == 1:
        return _unknown("same config file", f"only {named[0]} names a config file")
    return _ok("same config file", f"no difference between {', '.join(named[:-1])} and {named[-1]}")


def _spec_pattern(
    requested: RequestedHosts, matched: tuple[str, ...] | None, specs_unknown: str
) -> PreflightCheck:
    if matched is None:
        return _unknown("spec pattern", specs_unknown)
    files = f"the config selects {len(matched)} spec file{'' if len(matched) == 1 else 's'}"
    if not requested.hosts:
        return _ok("spec pattern", f"{files}; no host is checked")
    return _ok("spec pattern", f"{files}, also for {join_names(requested.hosts, show=show_value)}")


def _categorize(runner: str, *, categorize: bool) -> PreflightCheck:
    if not is_parsed(runner):
        return _unknown("categorize", "there is no runner command that can be read")
    # A difference is a finding.
    return _ok("categorize", "in request and runner command" if categorize else "in neither of the two")
