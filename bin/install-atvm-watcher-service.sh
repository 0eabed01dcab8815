#!/usr/bin/env bash
#
# Install, upgrade, roll back or remove the watcher service on this controller.
#
# Usage: install-atvm-watcher-service.sh [--python PATH] [--wheelhouse DIR] [--dry-run] | --rollback | --uninstall | --make-wheelhouse DIR

# shellcheck source=bin/_lib.bash
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/_lib.bash"

# A Python can run the installer if it can run this.
CAPABLE='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

# newest_python: print the command of the newest Python on PATH that can make an environment.
newest_python() {
  local candidate
  for candidate in python3.{30..11} python3; do
    if "$candidate" -I -c "$CAPABLE" >/dev/null 2>&1; then
      command -v -- "$candidate"
      return
    fi
  done
  die 69 "Python 3.11 or newer with its venv module is not on PATH: $(package_advice), or name one with --python PATH" # EX_UNAVAILABLE
}

# package_advice: print how to get such a Python on this distribution (os-release(5)).
package_advice() {
  local release=${OS_RELEASE_FILE:-/etc/os-release} id like version
  id=$(os_release ID "$release")
  like=$(os_release ID_LIKE "$release")
  version=$(os_release VERSION_ID "$release")
  case "$id $version" in
    'ubuntu 22.04'*) echo 'apt-get install python3.11 python3.11-venv' ;;
    'ubuntu 20.04'* | 'debian 11'* | 'debian 10'*) echo 'this release has no package, build Python from python.org' ;;
    'fedora '*) echo 'dnf install python3' ;;
    'sles '* | 'opensuse'*) echo 'zypper install python311' ;;
    *)
      case " $id $like " in
        *' debian '* | *' ubuntu '*) echo 'apt-get install python3 python3-venv' ;;
        *' rhel '* | *' centos '* | *' fedora '*) echo 'dnf install python3.11' ;;
        *' suse '*) echo 'zypper install python311' ;;
        *) echo 'install the package python3.11 (or newer)' ;;
      esac
      ;;
  esac
}

# os_release KEY FILE: print one value, without its quotes.
os_release() {
  sed -n "s/^$1=//p" -- "$2" 2>/dev/null | tr -d "\"'" | head -n 1
}

# named_python ARGUMENT...: print the value of --python, if present. That Python runs the installer too.
named_python() {
  while (($#)); do
    case $1 in
      --python) printf '%s' "${2:-}"; return ;;
      --python=*) printf '%s' "${1#*=}"; return ;;
    esac
    shift
  done
}

ATVM_PROG=${0##*/}
python=$(named_python "$@")
[[ -n $python ]] || python=$(newest_python)
age=$("$python" -I -c 'import sys; print("new" if sys.version_info >= (3, 11) else "old")' 2>/dev/null) || age=
[[ $age == new ]] ||
  die 69 "$python is not Python 3.11 or newer: $(package_advice), or name another one with --python PATH" # EX_UNAVAILABLE
# -B: no compiled modules in the checkout.
exec "$python" -I -B "$(project_folder)/atvm_pipeline/install" "$@"
