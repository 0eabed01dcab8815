#!/usr/bin/env bash
#
# Cancel one run: set its state to CANCELLED, stop its watcher, send no further message.
#
# Usage: cancel-atvm-run-watcher.sh --build-name BUILD [--why TEXT]

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline cancel "$@"
