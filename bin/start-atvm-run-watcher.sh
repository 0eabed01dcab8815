#!/usr/bin/env bash
#
# Start the watcher of one request; with --attach, watch a run that is already running.
#
# Usage: start-atvm-run-watcher.sh --build-name BUILD [--attach] [options]

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline run --only watcher "$@"
