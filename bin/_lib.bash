# Functions of the wrappers in this directory; sourced, never executed.
#
# They change only the virtual environment of the project.
set -euo pipefail
# With a CDPATH of the caller, `cd` would print the directory.
unset CDPATH

# die STATUS MESSAGE: print one line to standard error and exit.
die() {
  printf '%s: %s\n' "${ATVM_PROG:-${0##*/}}" "$2" >&2
  exit "$1"
}

# project_folder: print the directory of this project. Links are resolved, so that a program that runs for days keeps its release.
project_folder() {
  local here
  here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
  dirname -- "$here"
}

# exec_pipeline ARGUMENT...: replace this process by atvm-pipeline, which uses the name of the wrapper in its messages.
exec_pipeline() {
  export ATVM_PROG="${0##*/}"
  exec "$(project_folder)/bin/atvm-pipeline" "$@"
}

# An environment is kept if its Python can run this.
USABLE='import sys, pip; sys.exit(sys.version_info < (3, 11))'

# find_python: print the command of a Python that is new enough: python3, else the newest python3.N.
find_python() {
  local candidate minor
  for candidate in python3 python3.{30..11}; do
    minor=$("$candidate" -c 'import sys; print(sys.version_info[0] * 100 + sys.version_info[1])' 2>/dev/null) || continue
    if ((minor >= 311)); then
      command -v -- "$candidate"
      return
    fi
  done
  die 69 "Python 3.11 or newer is not on PATH: install python3.11 (or newer) with its venv module" # EX_UNAVAILABLE
}

# is_made VENV EXTRA PROJECT: succeed if the environment is complete and was made from this pyproject.toml.
is_made() {
  [[ -x $1/bin/python && ! -e $1/.making ]] && cmp -s -- "$1/.made${2:+-$2}" "$3/pyproject.toml"
}

# make_venv VENV [EXTRA [PYTHON]]: make or update a virtual environment for this project.
#
# The marker .made is written last, so an incomplete environment is never used. Concurrent calls wait for each other.
make_venv() {
  local venv=$1 extra=${2:-} python=${3:-} project
  project=$(project_folder)
  ! is_made "$venv" "$extra" "$project" || return 0
  # The lock is the project directory itself, so no lock file is left in it.
  exec 9<"$project"
  flock 9
  ! is_made "$venv" "$extra" "$project" || { exec 9<&-; return 0; }
  fill_venv "$venv" "$extra" "$python" "$project"
  exec 9<&-
}

# fill_venv VENV EXTRA PYTHON PROJECT: do the work of make_venv, which holds the lock.
fill_venv() {
  local venv=$1 extra=$2 python=$3 project=$4 output
  mkdir -p -- "$venv" 2>/dev/null || die 73 "cannot make $venv: run this once as the owner of $project" # EX_CANTCREAT
  # Git ignores the environment, without a .gitignore in the checkout.
  printf '*\n' >"$venv/.gitignore"
  if [[ -e $venv/.making ]] || ! "$venv/bin/python" -c "$USABLE" 2>/dev/null; then
    [[ -n $python ]] || python=$(find_python)
    : >"$venv/.making"
    output=$("$python" -m venv --clear -- "$venv" 2>&1) ||
      die 69 "cannot make a virtual environment: $(last_line "$output") (Debian and Ubuntu: install python3-venv)"
    printf '*\n' >"$venv/.gitignore"
  fi
  : >"$venv/.making"
  # Without a message, the first seconds would look like a hang.
  [[ ! -t 2 ]] || printf '%s: setting up %s (once)\n' "${ATVM_PROG:-${0##*/}}" "$venv" >&2
  output=$(PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --quiet --no-input \
    --editable "$project${extra:+[$extra]}" 2>&1) || {
    # pip failed and was not interrupted, so the environment is still as good as before.
    rm -f -- "$venv/.making"
    die 69 "cannot install the packages (check the network and the package index): $(last_line "$output")"
  }
  cp -- "$project/pyproject.toml" "$venv/.made"
  [[ -z $extra ]] || cp -- "$project/pyproject.toml" "$venv/.made-$extra"
  rm -f -- "$venv/.making"
}

# last_line TEXT: print the line that best explains a failure.
last_line() {
  grep -v '^\s*$' <<<"$1" | grep -i error | tail -n 1 || tail -n 1 <<<"$1"
}
