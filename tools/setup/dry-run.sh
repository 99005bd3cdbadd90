#!/bin/sh
# What `npm run quickstart -- --dry-run` says first. In shell, because it also has to work before the npm packages are there. Changes nothing.
set -eu
setup=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$setup/../..
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
way=cluster
case " $* " in *" --vm "*) way=microvm ;; esac
if cmp -s "$root/package-lock.json" "$root/node_modules/.liquidmetal-lock" 2>/dev/null; then
  echo "No npm package is missing."
else
  echo "Would install the npm packages of package-lock.json into node_modules of this checkout."
fi
missing=$(while IFS='|' read -r purpose name probe why; do
  case $purpose/$way in run/* | images/* | builds/cluster) ;; *) continue ;; esac
  command -v "$probe" >/dev/null 2>&1 || [ -e "$probe" ] || printf '  %-18s %s\n' "$name" "$why"
done <"$setup/system-packages.list")
if [ -z "$missing" ]; then
  echo "No system package is missing."
else
  printf 'Would install with apt-get:\n%s\n' "$missing"
fi
if [ "$way" = microvm ]; then
  cat <<'END'
Would then build a kernel and a root volume image from Debian packages (cached under the XDG cache directory),
start the embedded host (lm up), create the microVM 'hello' and log in to it.
END
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "Would download a Go toolchain (once; it is kept under the XDG cache directory)."
fi
cat <<'END'
Would then compile Kubernetes, etcd and Cluster API from checksummed sources, build a kernel and a node image (all cached
under the XDG cache directory), start the platform with its management plane (lm up --management-plane), create the
cluster 'demo' of one control plane and one worker, wait until both nodes are ready, and ask a web service in it.
END
