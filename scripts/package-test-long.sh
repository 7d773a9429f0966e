# shellcheck shell=bash disable=SC2154
# Sourced by package-test.sh: what of a package needs a container engine, an older version and a systemd.
# Everything below /tmp is mounted at its own path, since the engine's sandboxes take folders by theirs.

older=$work/older
COMPRESSION=none VERSION=0.0.1 scripts/deb.sh "$older" "$programs" >/dev/null
engine=(--volume /var/run/docker.sock:/run/docker.sock --volume "$older:$older:ro" --volume "$work:$work")
homes=$work/h
mkdir -p "$homes"
group=$(stat -c %g /var/run/docker.sock)

say "An ordinary user takes the tour, the package is upgraded over an older one, and goes on"
as_alice="groupadd -g $group engine 2>/dev/null || true
useradd -m -d $homes/alice -s /bin/sh alice
usermod -aG $group alice
alice() { su alice -c \"TMPDIR=$homes/alice \$*\"; }
"
use="dpkg -i $older/doorward_*.deb
$as_alice
alice doorward tour | grep 'nothing of it is left'
alice doorward group add family
alice doorward exec family -- touch milk
dpkg -i $packages/doorward_*.deb
dpkg-query -W -f '\${Version}\n' doorward | grep -Fx '$version'
alice doorward exec family -- test -e milk
echo 'a passphrase of words' | su alice -c 'doorward backup $homes/alice/home.backup'
echo 'a passphrase of words' | su alice -c 'doorward --home $homes/alice/again restore $homes/alice/home.backup'
alice doorward --home $homes/alice/again exec family -- test -e milk
alice doorward uninstall --keep-images --yes
dpkg --purge doorward
test -e $homes/alice/.local/share/doorward/doorward.db
"
debian "$(image debian ca-certificates)" "$use" "${engine[@]}" || fail "The package is not as it should be; what was wrong stands above."
rm -rf "$homes/alice"

say "The services, under a systemd of their own"
booted=$(image booted systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd)
# A systemd in a container makes groups of its own in the machine's.
rights=(--cap-add SYS_ADMIN --security-opt seccomp=unconfined)
if [ -d /sys/fs/cgroup/systemd ]; then
    rights+=(--volume /sys/fs/cgroup:/sys/fs/cgroup:rw)
else
    rights+=(--privileged --cgroupns private)
fi
machine=$(docker run --detach "${rights[@]}" --network none --tmpfs /run --volume /var/run/docker.sock:/run/docker.sock \
    --volume "$packages:$packages:ro" --volume "$work:$work" "$booted" /sbin/init)
trap 'docker rm --force --volumes "$machine" >/dev/null; rm -rf "$work"' EXIT
inside() { docker exec "$machine" sh -euc "$1"; }
inside "until systemctl is-system-running 2>/dev/null | grep -q -e running -e degraded; do sleep 0.2; done"
inside "dpkg -i $packages/doorward_*.deb
groupadd -g $group engine 2>/dev/null || true
useradd -m -d $homes/bob -s /bin/sh bob
usermod -aG $group bob
loginctl enable-linger bob
! pidof doorward
systemctl is-enabled doorward@bob.service | grep -x disabled
systemctl --user --global is-enabled doorward.service | grep -x disabled
for unit in /usr/lib/systemd/system/doorward@.service /usr/lib/systemd/user/doorward.service; do
    ! systemd-analyze verify \$unit 2>&1 | grep -v 'man doorward' | grep doorward
done
systemd-analyze security --offline=true --threshold=30 /usr/lib/systemd/system/doorward@.service >/dev/null"
as_bob() {
    inside "uid=\$(id -u bob)
    bob() { (cd $homes/bob && setpriv --reuid bob --regid bob --init-groups env HOME=$homes/bob XDG_RUNTIME_DIR=/run/user/\$uid \"\$@\"); }
    serves() { bob doorward status >/dev/null 2>&1; }
    soon() { left=300; until \"\$@\"; do left=\$((left - 1)); [ \$left -gt 0 ] || { journalctl --no-pager -n 30; exit 1; }; sleep 0.2; done; }
    $1"
}
note "a user's own: started when asked, back after a crash, gone when removed"
as_bob "bob doorward group add family
bob doorward service install
! serves
bob doorward service install --now | grep 'stays up when you log out'
soon serves
bob doorward service status
bob doorward exec family -- echo hello | grep -x hello
first=\$(bob doorward status --json | grep -o '\"pid\":[0-9]*')
kill -9 \$(echo \$first | cut -d : -f 2)
again() { second=\$(bob doorward status --json 2>/dev/null | grep -o '\"pid\":[0-9]*') && [ \"\$second\" != \"\$first\" ]; }
soon again
bob doorward service remove
! serves
test ! -e $homes/bob/.config/systemd/user/doorward.service"
note "the system's: started when asked, told of an upgrade, stopped by a purge"
as_bob "systemctl enable --now doorward@bob
soon serves
bob doorward exec family -- echo hello | grep -x hello
dpkg -i $packages/doorward_*.deb | grep 'systemctl restart doorward@bob.service'
dpkg --purge doorward
! pidof doorward
test -e $homes/bob/.local/share/doorward/doorward.db"
say "Packages are as they should be"
