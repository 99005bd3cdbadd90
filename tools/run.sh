#!/bin/sh
# Runs a program of this checkout on the Node that package.json pins, installing the npm packages first where that is needed.
# Needs only a POSIX shell, npm and any Node from 18 on.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
stamp="$root/node_modules/.liquidmetal-lock"
if ! cmp -s "$root/package-lock.json" "$stamp" 2>/dev/null; then
  case " $* " in
    # It shall not even install the packages that it would need itself.
    *" --dry-run "*) exec sh "$root/tools/setup/dry-run.sh" ;;
  esac
  echo "Installing npm packages (once per package-lock.json)…" >&2
  # Not `npm ci`: it refuses a lock file that lacks packages for other platforms, which mirrors do not always carry.
  # The versions and checksums of the lock file hold all the same. NODE_ENV=production must not drop what development needs.
  if ! (cd "$root" && npm install --no-save --include=dev --no-audit --no-fund --no-progress --loglevel=error >&2); then
    echo "error: npm could not install the packages of $root (its own words are above)" >&2
    echo "hint:  check that 'npm ping' reaches a registry and that $root may be written, then run it again" >&2
    exit 1
  fi
  cp "$root/package-lock.json" "$stamp"
fi
program=$1
shift
# npm puts its own Node first in PATH of scripts: child processes shall find the pinned one.
PATH="$root/node_modules/.bin:$PATH"
export PATH
exec "$root/node_modules/.bin/node" --disable-warning=ExperimentalWarning "$root/$program" "$@"
