#!/usr/bin/env bash
#
# Cancel one run: no further message, state CANCELLED, watcher stopped.
#
# Usage: cancel-atvm-run-watcher.sh --build-name BUILD [--why TEXT]

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

exec_pipeline cancel "$@"
