# Shared by the wrappers in this folder; sourced, never run.
#
# The functions change nothing but the virtual environment beside the project.
set -euo pipefail
# A CDPATH of the caller's would make `cd` print.
unset CDPATH

# die STATUS MESSAGE: end with one line on standard error.
die() {
  printf '%s: %s\n' "${ATVM_PROG:-${0##*/}}" "$2" >&2
  exit "$1"
}

# project_folder: where this project lies, every link resolved, so that what runs for days keeps to one release.
project_folder() {
  local here
  here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
  dirname -- "$here"
}

# exec_pipeline ARGUMENT...: become atvm-pipeline, under the name of the calling wrapper.
exec_pipeline() {
  export ATVM_PROG="${0##*/}"
  exec "$(project_folder)/bin/atvm-pipeline" "$@"
}

# What the Python of an environment must be able to do to be kept.
USABLE='import sys, pip; sys.exit(sys.version_info < (3, 11))'

# find_python: the command of a Python that is new enough: python3, else the newest python3.N.
find_python() {
  local candidate minor
  for candidate in python3 python3.{30..11}; do
    minor=$("$candidate" -c 'import sys; print(sys.version_info[0] * 100 + sys.version_info[1])' 2>/dev/null) || continue
    if ((minor >= 311)); then
      command -v -- "$candidate"
      return
    fi
  done
  die 69 "Python 3.11 or newer is needed and not on PATH: install python3.11 (or newer) with its venv module" # EX_UNAVAILABLE
}

# is_made VENV EXTRA PROJECT: whether the environment is complete and made from this pyproject.toml.
is_made() {
  [[ -x $1/bin/python && ! -e $1/.making ]] && cmp -s -- "$1/.made${2:+-$2}" "$3/pyproject.toml"
}

# make_venv VENV [EXTRA [PYTHON]]: make or update a virtual environment for this project, quietly.
#
# The mark of completion is written last, so a half-made environment is never used; two at once wait for each other.
make_venv() {
  local venv=$1 extra=${2:-} python=${3:-} project
  project=$(project_folder)
  ! is_made "$venv" "$extra" "$project" || return 0
  # The lock is the project's folder itself: no file of ours is left in it.
  exec 9<"$project"
  flock 9
  ! is_made "$venv" "$extra" "$project" || { exec 9<&-; return 0; }
  fill_venv "$venv" "$extra" "$python" "$project"
  exec 9<&-
}

# fill_venv VENV EXTRA PYTHON PROJECT: the work of make_venv, under its lock.
fill_venv() {
  local venv=$1 extra=$2 python=$3 project=$4 said
  mkdir -p -- "$venv" 2>/dev/null || die 73 "cannot make $venv: run this once as the owner of $project" # EX_CANTCREAT
  # The checkout stays clean without a .gitignore of its own.
  printf '*\n' >"$venv/.gitignore"
  if [[ -e $venv/.making ]] || ! "$venv/bin/python" -c "$USABLE" 2>/dev/null; then
    [[ -n $python ]] || python=$(find_python)
    : >"$venv/.making"
    said=$("$python" -m venv --clear -- "$venv" 2>&1) ||
      die 69 "cannot make a virtual environment: $(last_line "$said") (Debian and Ubuntu: install python3-venv)"
    printf '*\n' >"$venv/.gitignore"
  fi
  : >"$venv/.making"
  # Some seconds of silence would look like a hang to a person.
  [[ ! -t 2 ]] || printf '%s: setting up %s (once)\n' "${ATVM_PROG:-${0##*/}}" "$venv" >&2
  said=$(PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --quiet --no-input \
    --editable "$project${extra:+[$extra]}" 2>&1) || {
    # Failed, not cut short: what was there before is as good as it was.
    rm -f -- "$venv/.making"
    die 69 "cannot install the packages (is a network or a package index there?): $(last_line "$said")"
  }
  cp -- "$project/pyproject.toml" "$venv/.made"
  [[ -z $extra ]] || cp -- "$project/pyproject.toml" "$venv/.made-$extra"
  rm -f -- "$venv/.making"
}

# last_line TEXT: the line that says what went wrong.
last_line() {
  grep -v '^\s*$' <<<"$1" | grep -i error | tail -n 1 || tail -n 1 <<<"$1"
}
