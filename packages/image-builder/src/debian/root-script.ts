/**
 * The program that makes a Debian root inside the sandbox: takes its material from stdin as a tar, has mmdebstrap install from a package archive that is
 * part of it, runs the recipe's scripts, takes away what differs from run to run, and writes the root as a tar to stdout.
 *
 * Material: `repository/` (packages and their index), `hooks/` (one file a script of the recipe), and `root/` when there is something below.
 * Environment: EPOCH (seconds), ARCHITECTURE, VARIANT, PACKAGES (comma separated), BELOW (yes or empty), EXCLUDES (dpkg's options, one a line).
 */
export const rootScript: string = `
exec 3>&1 1>&2
tar --extract --numeric-owner --same-permissions --xattrs --xattrs-include='*' --file=-
exec </dev/null
mkdir -p root
root=/build/root
mkdir -p /etc/apt/apt.conf.d
printf 'root:x:0:0:root:/build:/bin/sh\\n_apt:x:100:65534::/nonexistent:/usr/sbin/nologin\\n' >/etc/passwd
printf 'root:x:0:\\nnogroup:x:65534:\\n' >/etc/group

# The sources of what lies below are of no use here, and of use later.
sources=/build/sources
if [ -n "$BELOW" ]; then
  mkdir $sources
  for name in sources.list sources.list.d; do
    [ ! -e $root/etc/apt/$name ] || mv $root/etc/apt/$name $sources/
  done
fi

options=(--mode=root --format=directory --skip=check/empty --skip=output/dev "--variant=$VARIANT" "--architectures=$ARCHITECTURE")
options+=('--aptopt=APT::Sandbox::User "root"' '--aptopt=APT::Install-Recommends "false"' '--aptopt=Acquire::Languages "none"')
[ -z "$PACKAGES" ] || options+=("--include=$PACKAGES")
while IFS= read -r line; do [ -z "$line" ] || options+=("--dpkgopt=$line"); done <<<"$EXCLUDES"
[ -n "$BELOW" ] || options+=(--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr)
for hook in hooks/*; do [ ! -e "$hook" ] || options+=("--customize-hook=/build/$hook"); done
mmdebstrap "\${options[@]}" '' $root 'deb [trusted=yes] copy:///build/repository ./' 3>&-

# What scripts have left running would change the tree while it is read.
kill -KILL -1 2>/dev/null || true

cd $root
rm -rf var/lib/apt/lists var/cache/apt run/* tmp/* tmp/.[!.]* var/tmp/* etc/.pwd.lock etc/ssh/ssh_host_*_key*
mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial
rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- var/lib/dpkg/*-old var/cache/debconf/*-old
rm -f var/cache/ldconfig/aux-cache var/lib/systemd/random-seed var/lib/dbus/machine-id root/.bash_history root/.wget-hsts
[ ! -d var/log ] || find var/log -type f -delete
[ ! -e etc/machine-id ] || : >etc/machine-id
[ -e etc/resolv.conf ] || [ -L etc/resolv.conf ] || : >etc/resolv.conf
[ ! -e etc/shadow ] || { awk -F: -v OFS=: -v day=$((SOURCE_DATE_EPOCH / 86400)) '$3 > day { $3 = day } { print }' etc/shadow >../shadow && cat ../shadow >etc/shadow; }
rm -rf etc/apt/sources.list
if [ -n "$BELOW" ]; then
  rm -rf etc/apt/sources.list.d
  for name in sources.list sources.list.d; do [ ! -e $sources/$name ] || mv $sources/$name etc/apt/; done
else
  echo '# Name your package sources here; see sources.list(5).' >etc/apt/sources.list
fi
tar --create --format=posix --pax-option=delete=atime,delete=ctime --sort=name --numeric-owner --xattrs --xattrs-include='*' --one-file-system --exclude='./dev/*' --file=- . >&3
`;
