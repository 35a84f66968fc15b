#!/bin/sh
# Installs or upgrades Vetting on Debian 12 or 13 under systemd. Run it again to upgrade: it changes what differs.
#
#   deploy/install.sh [--dry-run] [--image DIR | --no-image] [--admin NAME] [--yes]
#   deploy/install.sh --offline ARCHIVE --key FILE [--dry-run] [--no-image] [--admin NAME]
#
#   --dry-run     print every step, change nothing
#   --image DIR   copy a built live image instead of building one here (some minutes, 2 GB of disk meanwhile)
#   --no-image    neither; until there is one, no host can boot
#   --admin NAME  name of the first administrator (admin)
#   --yes         don't ask before installing packages
#   --offline ARCHIVE  install from a release archive (make release): code, Python packages and live image come from
#                      it, and no network is used. Debian's packages must be there; it says which are not
#   --key FILE         the public key of who made the archive (vetting-release.pub), from a place that you trust
#
# Code and live image go to /opt/vetting and are root's, data to /var/lib/vetting, configuration to /etc/vetting.
# It never overwrites a file in /etc/vetting. In /var/lib/vetting it only migrates the database.
set -eu
umask 022

source=$(cd "$(dirname "$0")/.." && pwd)
base=/opt/vetting
app=$base/app
venv=$base/venv
images=$base/image
data=/var/lib/vetting
conf=/etc/vetting
user=vetting
code="manage.py vetting hosts runs agentapi restapi pxe notifications agent live-image deploy requirements docs
    vetting.example.yaml .env.example README.md CHANGELOG.md LICENSE"

runs="python3 python3-venv dnsmasq-base iperf3 ipmitool"
builds="zstd cpio kmod bubblewrap uidmap xz-utils"

dry=""
image=build
admin=admin
yes=""
archive=""
key=""
wheels=""

main() {
    options "$@"
    if [ -n "$archive" ]; then
        offline
        return
    fi
    preflight
    packages
    account
    stop
    program
    configuration
    database
    live_image
    units
    smaller_image
    farewell
}

options() {
    while [ $# -gt 0 ]; do
        case "$1" in
            --dry-run) dry=yes ;;
            --no-image) image="" ;;
            --image) [ $# -gt 1 ] || fail "--image needs a directory"; image=$2; shift ;;
            --admin) [ $# -gt 1 ] || fail "--admin needs a name"; admin=$2; shift ;;
            --yes) yes=yes ;;
            --offline) [ $# -gt 1 ] || fail "--offline needs an archive"; archive=$2; shift ;;
            --key) [ $# -gt 1 ] || fail "--key needs a file"; key=$2; shift ;;
            --wheels) [ $# -gt 1 ] || fail "--wheels needs a directory"; wheels=$2; shift ;; # of an unpacked archive
            -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
            *) fail "unknown option $1; see --help" ;;
        esac
        shift
    done
}

# Checks the archive, then lets the install.sh that is in it do the rest. The signature is looked at before anything
# else is unpacked, and nothing is read from the archive that the signed sums do not name.
offline() {
    [ -n "$key" ] || fail "--offline needs --key FILE: the public key of who made the archive (vetting-release.pub)"
    [ -r "$key" ] || fail "$key can't be read"
    [ -r "$archive" ] || fail "$archive can't be read"
    [ "$image" != build ] || image=archive
    [ -z "$image" ] || [ "$image" = archive ] || fail "--offline brings an image: leave out --image"
    command -v ssh-keygen >/dev/null ||
        fail "ssh-keygen is missing, which checks the signature: apt-get install openssh-client"
    work=$(mktemp -d /var/tmp/vetting-release.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
    signed=$work/signed unpacked=$work/unpacked
    mkdir "$signed" "$unpacked"
    tar -C "$signed" --no-same-owner --occurrence=1 -xf "$archive" vetting/SHA256SUMS vetting/SHA256SUMS.sig 2>/dev/null ||
        fail "$archive is no release archive, or only a part of one: it has no signed sums"
    verify_signature
    say "Unpacking $archive"
    tar -C "$unpacked" --no-same-owner -xf "$archive" vetting || fail "$archive can't be unpacked: is it whole?"
    verify_files
    set -- --wheels "$unpacked/vetting/wheels" --admin "$admin"
    [ -z "$dry" ] || set -- "$@" --dry-run
    [ -z "$yes" ] || set -- "$@" --yes
    if [ -n "$image" ]; then set -- "$@" --image "$unpacked/vetting/image"; else set -- "$@" --no-image; fi
    sh "$unpacked/vetting/code/deploy/install.sh" "$@"
}

verify_signature() {
    echo "vetting-release $(cut -d' ' -f1,2 "$key")" >"$work/signers"
    ssh-keygen -Y verify -f "$work/signers" -I vetting-release -n vetting-release \
        -s "$signed/vetting/SHA256SUMS.sig" <"$signed/vetting/SHA256SUMS" >/dev/null 2>&1 ||
        fail "the signature of $archive is not one of $key: nothing was installed"
    say "Signature is good: $(ssh-keygen -l -f "$key")"
}

# By the sums whose signature was verified: a tar can have a file of the same name twice, and the last one is unpacked.
# What is written here goes beside the unpacked files, where no link of the archive can lead it elsewhere.
verify_files() (
    cd "$unpacked/vetting"
    cmp -s "$signed/vetting/SHA256SUMS" SHA256SUMS ||
        fail "$archive has sums that are not the signed ones: nothing was installed"
    sha256sum --quiet --strict -c SHA256SUMS >"$work/differ" 2>&1 ||
        fail "$archive is damaged, or was changed after it was signed: $(head -n 1 "$work/differ")"
    { cut -c 67- SHA256SUMS; echo ./SHA256SUMS; echo ./SHA256SUMS.sig; } | LC_ALL=C sort >"$work/listed"
    find . ! -type d ! -type l | LC_ALL=C sort | cmp -s - "$work/listed" ||
        fail "$archive has files that its signed sums do not name: nothing was installed"
    find . -type l -printf '%p %l\n' | LC_ALL=C sort >"$work/links"
    LC_ALL=C sort LINKS | cmp -s - "$work/links" ||
        fail "$archive has links that its signed sums do not name: nothing was installed"
    say "Sums are good: $(grep -c . SHA256SUMS) files"
)

preflight() {
    # shellcheck disable=SC1091
    [ -r /etc/os-release ] && . /etc/os-release
    case "${ID:-}:${VERSION_ID:-}" in
        debian:12 | debian:13) ;;
        *) fail "this is ${PRETTY_NAME:-an unknown system}; Debian 12 or 13 is needed" ;;
    esac
    [ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "run it as root, or with --dry-run to see what it would do"
    [ "$source" != "$app" ] || fail "run it from a checkout, not from $app"
    for name in $code; do
        [ -e "$source/$name" ] || fail "$source is not a whole checkout: $name is missing"
    done
    if [ -n "$image" ] && [ "$image" != build ]; then
        for name in vmlinuz initrd.zst ipxe manifest.json; do
            [ -e "$image/$name" ] || fail "$image is not a built live image: $name is missing"
        done
    fi
    say "Vetting for ${PRETTY_NAME}, from $source"
}

packages() {
    wanted=$runs
    [ "$image" != build ] || wanted="$wanted $builds"
    missing=""
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        say "Packages: all there ($wanted)"
        return
    fi
    [ -z "$wheels" ] ||
        fail "Debian packages are missing, and --offline fetches none; from your own mirror: apt-get install$missing"
    say "Packages to install with apt:$missing"
    confirm
    run apt-get -qq update
    run env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing
}

account() {
    say "User $user, who owns the data and nothing else"
    if ! id "$user" >/dev/null 2>&1; then
        run useradd --system --user-group --home-dir "$data" --no-create-home --shell /usr/sbin/nologin "$user"
    fi
    run install -d -o "$user" -g "$user" -m 0750 "$data"
}

# dnsmasq and iperf3 stop, too: without a worker nothing ends them if vetting.yaml changes.
stop() {
    [ -e /etc/systemd/system/vetting-web.service ] && [ -d /run/systemd/system ] || return 0
    say "Stop web and worker (hosts under test go on and send their results afterwards)"
    trap '[ $? = 0 ] || echo "install.sh: stopped half way, and Vetting is not running: repair the cause and run it again" >&2' EXIT
    for unit in vetting-keeper.timer vetting-web.service vetting-worker.service vetting-dnsmasq.path \
        vetting-dnsmasq.service; do
        [ ! -e "/etc/systemd/system/$unit" ] || run systemctl stop "$unit"
    done
    run systemctl stop "vetting-iperf3@*.service"
}

program() {
    say "Code to $app, its libraries to $venv"
    run install -d -m 0755 "$base"
    run rm -rf "$app.new"
    run install -d -m 0755 "$app.new"
    for name in $code; do
        run cp -R "$source/$name" "$app.new/"
    done
    [ -z "$(commit)" ] || write "$app.new/COMMIT" 0644 root:root commit
    run chown -R root:root "$app.new"
    run chmod -R u=rwX,go=rX "$app.new"
    run rm -rf "$app.old"
    [ ! -e "$app" ] || run mv "$app" "$app.old"
    run mv "$app.new" "$app"
    if ! same_python; then
        run rm -rf "$venv"
        run python3 -m venv "$venv"
    fi
    if [ -n "$wheels" ]; then set -- --no-index --find-links "$wheels"; else set --; fi
    run "$venv/bin/pip" -q --disable-pip-version-check install "$@" --require-hashes -r "$app/requirements/base.txt"
    run "$venv/bin/python" -m compileall -q "$app"
}

# The commit of the checkout, for `vetting --version`; nothing if it is none, or git is not there.
commit() {
    if [ -e "$source/COMMIT" ]; then
        cat "$source/COMMIT" # of a release archive
        return
    fi
    hash=$(git -c safe.directory="$source" -C "$source" rev-parse HEAD 2>/dev/null) || return 0
    changed=$(git -c safe.directory="$source" -C "$source" status --porcelain --untracked-files=no 2>/dev/null)
    echo "$hash${changed:+-changed}"
}

# A venv belongs to one version of Python: Debian 12 has 3.11, 13 has 3.13.
same_python() {
    [ -x "$venv/bin/python" ] || return 1
    of='import sys; print(sys.version_info[:2])'
    [ "$("$venv/bin/python" -c "$of" 2>/dev/null)" = "$(python3 -c "$of")" ]
}

configuration() {
    say "Configuration in $conf (what is there stays as it is)"
    run install -d -o root -g "$user" -m 0750 "$conf"
    if [ ! -e "$conf/vetting.yaml" ]; then
        # systemd keeps dnsmasq and iperf3 here, not the worker.
        write "$conf/vetting.yaml" 0640 "root:$user" example
    fi
    if [ ! -e "$conf/secrets.env" ]; then
        write "$conf/secrets.env" 0600 root:root secrets
    fi
    write /usr/local/bin/vetting 0755 root:root wrapper
}

example() {
    sed "s|supervise: tick|supervise: unit|; s|image_dir: null  *#|image_dir: $images  #|" "$source/vetting.example.yaml"
}

secrets() {
    echo "# NAME=value, without quotes or backslashes. Read by systemd and by /usr/local/bin/vetting; for root's eyes only."
    echo "VETTING_SECRET_KEY=$(head -c 48 /dev/urandom | base64 -w 0 | tr '+/' '-_')"
}

# manage.py as the unprivileged user, with the environment that the units have. It stays in the caller's directory: a
# relative path means what the caller means.
wrapper() {
    cat <<WRAPPER
#!/bin/sh
# vetting COMMAND: Vetting's manage.py on this installation, e.g. "vetting vet HOST". Written by install.sh.
set -eu
umask 022
[ "\$(id -u)" = 0 ] || exec sudo "\$0" "\$@"
# Line by line as systemd reads it, not by the shell: a password may hold any character.
while IFS= read -r line || [ -n "\$line" ]; do
    case \$line in "" | \#*) ;; *=*) export "\$line" ;; esac
done <$conf/secrets.env
export VETTING_CONFIG=$conf/vetting.yaml VETTING_DATA_DIR=$data VETTING_INSTALLED=1 HOME=$data
# They change this machine, as only root can. They open no database: what does, they call by this command.
case "\${1:-}" in setup | uninstall) exec $venv/bin/python $app/manage.py "\$@" ;; esac
# doctor asks the network for DHCP servers, which needs this one right, if the machine has it.
caps=""
if [ "\${1:-}" = doctor ] && setpriv --inh-caps +net_raw --ambient-caps +net_raw true 2>/dev/null; then
    caps="--inh-caps +net_raw --ambient-caps +net_raw"
fi
exec setpriv \$caps --reuid $user --regid $user --init-groups $venv/bin/python $app/manage.py "\$@"
WRAPPER
}

database() {
    say "Database, static files, first administrator"
    run /usr/local/bin/vetting check
    run /usr/local/bin/vetting migrate --noinput
    run /usr/local/bin/vetting collectstatic --noinput --verbosity 0
    if [ -n "$dry" ] || [ -t 0 ]; then
        run /usr/local/bin/vetting admin_user "$admin" --role superuser --if-missing
    else
        say "No terminal to ask for a password: make the administrator with: vetting admin_user $admin --role superuser"
    fi
}

live_image() {
    # One that is being made smaller would take the place of the new one.
    [ ! -d /run/systemd/system ] || run systemctl stop vetting-image.service 2>/dev/null || true
    case "$image" in
        "") say "No live image is built, as requested: no host can boot until $images has one" ;;
        build)
            say "Live image, compressed quickly (unchanged inputs are not built again)"
            run "$venv/bin/python" "$app/live-image/build.py" --output "$images" --level fast --clean
            ;;
        *)
            say "Live image from $image"
            run rm -rf "$images.new"
            run cp -R "$image" "$images.new"
            run chown -R root:root "$images.new"
            run chmod -R u=rwX,go=rX "$images.new"
            run rm -rf "$images"
            run mv "$images.new" "$images"
            ;;
    esac
}

units() {
    say "Units"
    for unit in "$source"/deploy/systemd/*; do
        run install -m 0644 "$unit" /etc/systemd/system/
    done
    now="--now"
    if [ -z "$dry" ] && [ ! -d /run/systemd/system ]; then
        say "systemd does not run here (a chroot, an image being built): the units start at the next boot"
        now=""
    fi
    [ -z "$now" ] || run systemctl daemon-reload
    run systemctl enable $now vetting-web.service vetting-worker.service vetting-dnsmasq.path vetting-keeper.timer
    ports=" $(iperf3_ports) "
    for link in /etc/systemd/system/multi-user.target.wants/vetting-iperf3@*.service; do
        port=${link##*@} port=${port%.service}
        case "$ports" in *" $port "*) ;; *) [ ! -e "$link" ] || run systemctl disable $now "vetting-iperf3@$port.service" ;; esac
    done
    for port in $ports; do
        run systemctl enable $now "vetting-iperf3@$port.service"
    done
}

iperf3_ports() {
    if [ -n "$dry" ]; then
        echo 5201 5202 5203 5204
    else
        (cd "$app" && "$venv/bin/python" -c "from pathlib import Path; from vetting import config
print(*config.load(Path('$conf/vetting.yaml')).iperf3.ports)")
    fi
}

# Hosts can boot the quick image at once. The small one, which they download in less time, takes minutes of all cores.
smaller_image() {
    [ "$image" = build ] || return 0
    set -- "$venv/bin/python" "$app/live-image/recompress.py" "$images"
    if [ -n "$dry" ] || [ -d /run/systemd/system ]; then
        say "The image is made smaller in the background: journalctl -fu vetting-image"
        run systemd-run --quiet --collect --unit=vetting-image --nice=19 --property=CPUSchedulingPolicy=idle "$@"
    else
        say "To make the image smaller for hosts to download: $*"
    fi
}

farewell() {
    say "Done. Next: vetting setup (it asks which network the hosts are in, and writes $conf/vetting.yaml)"
    say "After a login http://ADDRESS:8000/setup/ proposes the same, and says what is missing."
    say "The dashboard is on port 8000 of this machine; '$app/docs/operations.md' has the rest."
}

say() { echo "==> $*"; }

fail() { echo "install.sh: $*" >&2; exit 1; }

run() {
    if [ -n "$dry" ]; then echo "    $*"; else "$@"; fi
}

# write FILE MODE OWNER COMMAND…: what the command prints becomes the file, whole, never readable by others meanwhile.
write() {
    file=$1 mode=$2 owner=$3
    shift 3
    if [ -n "$dry" ]; then
        echo "    write $file ($owner, $mode)"
        return
    fi
    (umask 077 && "$@" >"$file.new")
    chown "$owner" "$file.new"
    chmod "$mode" "$file.new"
    mv "$file.new" "$file"
}

confirm() {
    [ -z "$dry" ] && [ -z "$yes" ] && [ -t 0 ] || return 0
    printf 'Go on? [Y/n] '
    read -r answer
    case "$answer" in n* | N*) fail "stopped, nothing was changed" ;; esac
}

main "$@"
