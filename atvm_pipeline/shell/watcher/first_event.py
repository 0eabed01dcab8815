"""First event of a journal: the request with all input of the verdict."""

from pathlib import Path

from atvm_pipeline.core.events import RunRequested
from atvm_pipeline.core.hosts.requested_hosts import requested_hosts
from atvm_pipeline.core.scenario import scenario_of
from atvm_pipeline.shell.config.backtracking import AGAIN_LIMIT_S
from atvm_pipeline.shell.config.dialect_file import load_dialect
from atvm_pipeline.shell.config.inventory_file import load_inventory
from atvm_pipeline.shell.state_dir.records import Request


def first_event(request: Request) -> RunRequested:
    """Return the first event of the journal, with all input of the verdict, so that the verdict can be derived again.

    To be called only for an empty journal, because dialect and inventory may be gone later. Raises ConfigError.
    """
    dialect = load_dialect(request.dialect_path, AGAIN_LIMIT_S)
    inventory = load_inventory(Path(request.inventory_path) if request.inventory_path else None)
    found = requested_hosts(
        request.build_name, inventory, dialect, template=request.metadata.template, named=request.hosts
    )
    return RunRequested(
        seq=1,
        at=request.requested_at,
        build_name=request.build_name,
        run_id=request.run_id,
        release=request.release,
        scenario=scenario_of(
            request.build_name,
            found.hosts,
            template=request.metadata.template,
            config_family=request.metadata.config_family,
            named=request.scenario,
        ),
        controller=request.controller,
        started_by=request.started_by,
        categorized=request.categorized,
        metadata=request.metadata,
        settings=request.settings,
        messages=request.messages,
        dialect=dialect,
        requested_hosts=found.hosts,
        host_sources=found.sources,
        not_checked=found.not_checked,
        inventory=inventory,
        planned_specs=request.planned_specs,
        log_path=request.log_path,
        log_start=request.log_start,
        artifacts_dir=request.artifacts_dir,
        notes=request.notes,
    )
