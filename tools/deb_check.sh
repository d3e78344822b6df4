#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# deb_check.sh SUITE [DEB]: builds the Debian package on a bare Debian (bookworm, trixie), installs it on another one, tries
# what it installs as a user would, and removes it again. A package DEB is not built. As root; needs debootstrap. Bare
# systems are kept in build/deb.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?expected a suite of Debian: bookworm or trixie} folder=$PWD/build/deb/$1
mkdir -p "$folder"
roots=()

finish() {
    for root in "${roots[@]}"; do
        umount -R -l "$root" 2>/dev/null || true
        grep -q " $root" /proc/self/mounts || rm -rf --one-file-system "$root"
    done
}
trap finish EXIT

# A bare system in a folder, whose name is left in $bare.
make_bare() {
    local tar=$folder/bare.tar
    bare=$(mktemp -d)
    roots+=("$bare")
    mount --bind "$bare" "$bare"
    mount --make-private "$bare"
    if [ ! -e "$tar" ]; then
        debootstrap --variant=minbase --include=ca-certificates "$suite" "$bare" >"$folder/debootstrap.log"
        tar -cpf "$tar" -C "$bare" .
    else
        tar -xpf "$tar" -C "$bare"
    fi
    chmod 755 "$bare"
    # as this host reaches its packages, but not what its packages have configured
    for setting in /etc/apt/apt.conf.d/*; do
        dpkg -S "$setting" >/dev/null 2>&1 || cp "$setting" "$bare/etc/apt/apt.conf.d/"
    done
    cp /etc/ssl/certs/ca-certificates.crt "$bare/etc/ssl/certs/"
    cp /etc/hosts /etc/resolv.conf "$bare/etc/"
    for part in proc dev sys; do
        mount --rbind "/$part" "$bare/$part"
        mount --make-rslave "$bare/$part"
    done
    in_bare 'useradd -m user; apt-get -qq update'
}

in_bare() {
    chroot "$bare" /usr/bin/env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -euo pipefail -c "$1"
}

build() {
    echo "deb_check: building on a bare $suite"
    make_bare
    mkdir "$bare/build"
    git archive --prefix=gr-jadce/ HEAD | tar -x -C "$bare/build"
    in_bare "apt-get -qq -y --no-install-recommends install build-essential fakeroot lintian xterm >/build/apt.log 2>&1
        cd /build/gr-jadce; apt-get -qq -y --no-install-recommends build-dep . >>/build/apt.log 2>&1" ||
        { tail -n 20 "$bare/build/apt.log" && exit 1; }
    in_bare "cd /build/gr-jadce; dpkg-buildpackage -us -uc -F >../build.log 2>&1" ||
        { tail -n 40 "$bare/build/build.log" && exit 1; }
    in_bare "cd /build; lintian --version; lintian --fail-on error,warning --info gr-jadce_*.changes; echo 'lintian is content'"
    cp "$bare"/build/gr-jadce_*.deb "$bare/build/build.log" "$folder"
}

if [ $# -lt 2 ]; then
    rm -f "$folder"/*.deb
    build
fi
package=${2:-$(echo "$folder"/gr-jadce_*.deb)}

echo "deb_check: installing on another bare $suite"
make_bare
mkdir "$bare/deb"
cp "$package" "$bare/deb"
in_bare 'find / -xdev -iname "*jadce*" | sort' | tee "$folder/before"
in_bare "apt-get -qq -y --no-install-recommends install /deb/gr-jadce_*.deb python3-matplotlib man-db bash-completion xterm \
    >/deb/apt.log 2>&1" || { tail -n 20 "$bare/deb/apt.log" && exit 1; }
for try in programs demo; do
    cp "debian/tests/$try" "$bare/deb"
    in_bare "su user -s /bin/sh -c /deb/$try" || { echo "deb_check: debian/tests/$try failed" && exit 1; }
    echo "deb_check: debian/tests/$try is content"
done
in_bare '. /usr/share/bash-completion/bash_completion; _completion_loader jadce-pilots || true
    complete -p jadce-pilots; man -w jadce-receive'

in_bare 'apt-get -qq -y purge gr-jadce >/deb/apt.log 2>&1; find / -xdev -iname "*jadce*" ! -path "/deb/*" ! -path "/tmp/*" | sort' \
    >"$folder/after"
if [ -s "$folder/after" ]; then
    echo "deb_check: left after purge:" && cat "$folder/after" && exit 1
fi
echo "deb_check: built, checked, installed, tried and purged on $suite; nothing is left"
