#!/bin/bash
# usage: systemd.sh start DIR | stop DIR
# A Debian 12 with a real systemd, D-Bus, netplan, networkd and snapd, in namespaces of its own (pid, mount, net, uts, ipc, cgroup): nothing of
# this machine is writable from it. Prints the pid of its init as seen from here: its files are below /proc/PID/root, its bus is
# /proc/PID/root/run/dbus/system_bus_socket. The root folder (500 MB, three minutes) is kept in $PEERS_CACHE
# (default ~/.cache/peers) between runs; DIR holds what the running one changes of it. `stop` returns when its last process, cgroup and file
# are gone. Root only.
# apt: debootstrap iproute2
set -eu
cmd=${1:-}
[ $# -ge 2 ] || { sed -n 2p "$0" >&2; exit 2; }
DIR=$(realpath -m "$2") CACHE=${PEERS_CACHE:-$HOME/.cache/peers} R=$(realpath -m "$2")/root
# What it is made of is part of its name: another recipe is another folder.
PACKAGES=systemd,systemd-sysv,dbus,dbus-user-session,netplan.io,nftables,iproute2,udev,kmod,snapd,fuse3,squashfuse
BASE=$CACHE/systemd-root-$(echo "3 $PACKAGES" | cksum | cut -d' ' -f1)
GROUP=/sys/fs/cgroup/$( [ -d /sys/fs/cgroup/unified ] && echo unified/ )cloudboot-peer-$(echo "$DIR" | cksum | cut -d' ' -f1)
# The init: the only child of the unshare that we started.
init_of() { [ -s "$DIR/pid" ] && cat "/proc/$(cat "$DIR/pid")/task/$(cat "$DIR/pid")/children" 2>/dev/null | tr -d ' '; }
mine() { [ -s "$DIR/pid" ] && grep -qzxF "SYSTEMD_PEER=$DIR" "/proc/$(cat "$DIR/pid")/environ" 2>/dev/null; }
case $cmd in
start)
  mkdir -p "$DIR" "$CACHE"
  if [ ! -d "$BASE" ]; then
    new=$BASE.new.$$; trap 'rm -rf "$new"' EXIT
    debootstrap --variant=minbase --include="$PACKAGES" bookworm "$new" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
      >"$DIR/debootstrap.out" 2>&1 </dev/null || { tail -n 20 "$DIR/debootstrap.out" "$new/debootstrap/debootstrap.log" >&2; exit 1; }
    ln -sf /lib/systemd/system/systemd-networkd.service "$new/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    for unit in systemd-udevd systemd-udev-trigger systemd-logind systemd-networkd-wait-online getty@tty1 console-getty apparmor e2scrub_reap snapd.seeded; do
      ln -sf /dev/null "$new/etc/systemd/system/$unit.service"
    done
    # What snapd wants: nobody answers for udev (there is none), and no name is looked up (there is no network, and it would try for half a minute).
    printf '#!/bin/sh\n[ "$1" = control ] || exec /usr/bin/udevadm "$@"\n' >"$new/usr/local/bin/udevadm"; chmod 755 "$new/usr/local/bin/udevadm"
    sed -i 's/^hosts:.*/hosts: files/' "$new/etc/nsswitch.conf"; rm -f "$new/etc/resolv.conf"
    # Two snaps of our own making, /root/core.snap and /root/cloudboot-hello.snap: a base with a shell, and a service that sleeps.
    core=$new/tmp/core hello=$new/tmp/hello
    mkdir -p "$core"/{meta,bin,dev,etc,home,lib64,media,mnt,proc,root,run,snap,sys,tmp} "$core"/lib/{modules,firmware,x86_64-linux-gnu} \
      "$core"/usr/{bin,lib/snapd,share,src} "$core"/var/{cache,lib/snapd,log,snap,tmp} "$hello"/{bin,meta/hooks}
    printf 'name: core\nversion: "16-1"\ntype: os\nsummary: nothing\ndescription: nothing\n' >"$core/meta/snap.yaml"
    echo VERSION=2.57.6 >"$core/usr/lib/snapd/info"
    for file in /bin/sh /bin/sleep /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/snapd/snap-exec; do
      chroot "$new" cp -L "$file" "/tmp/core$file"
    done
    printf 'name: cloudboot-hello\nversion: "1.0"\nsummary: ours\ndescription: its service sleeps\napps:\n  sleeper: {command: bin/sleeper, daemon: simple}\n' >"$hello/meta/snap.yaml"
    printf '#!/bin/sh\nexec sleep 100000\n' >"$hello/bin/sleeper"
    # It takes any configuration but one.
    printf '#!/bin/sh\n[ ! -e "$SNAP_COMMON/refuse" ] || { echo "the hook does not like it" >&2; exit 1; }\n' >"$hello/meta/hooks/configure"
    chmod 755 "$hello/bin/sleeper" "$hello/meta/hooks/configure"
    chroot "$new" mksquashfs /tmp/core /root/core.snap -quiet -no-progress >&2
    chroot "$new" mksquashfs /tmp/hello /root/cloudboot-hello.snap -quiet -no-progress >&2
    rm -rf "$core" "$hello" "$new"/var/cache/apt/archives/*.deb
    # Two that are made at once: the first one stays.
    mv -T "$new" "$BASE" 2>/dev/null || [ -d "$BASE" ]
  fi
  if ! mine; then
    rm -rf "$R" "$DIR/upper" "$DIR/work"; mkdir -p "$R" "$DIR/upper" "$DIR/work" "$GROUP"
    # On one processor: Linux 6.18 numbers namespaces by processor, and takes one with a lower number than its maker's for an older one, which
    # snap-confine then may not bind ("cannot preserve mount namespace ...: Invalid argument").
    cpu=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
    SYSTEMD_PEER=$DIR setsid bash -c '
      echo $$ >"$2/cgroup.procs"
      exec taskset -c "$4" unshare --mount --pid --fork --kill-child --net --uts --ipc --cgroup bash -euc '\''
        R=$1/root
        mount --make-rprivate /
        mount -t overlay -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" overlay "$R" || { cp -a "$3/." "$R"; mount --bind "$R" "$R"; }
        mount -t proc proc "$R/proc"
        mount --bind "$R/proc/sys" "$R/proc/sys"; mount -o remount,ro,bind "$R/proc/sys"
        mount --bind "$R/proc/sys/net" "$R/proc/sys/net"; mount -o remount,rw,bind "$R/proc/sys/net"
        # Of /sys only the links of this network namespace are writable: netplan triggers udev events of them.
        mount -t sysfs sysfs "$R/sys"
        mount --bind "$R/sys/devices/virtual/net" "$R/sys/devices/virtual/net"; mount -o remount,ro,bind "$R/sys"
        mount -t cgroup2 cgroup "$R/sys/fs/cgroup"
        mount -t tmpfs -o mode=755 tmpfs "$R/dev"
        mknod -m 666 "$R/dev/null" c 1 3; mknod -m 666 "$R/dev/zero" c 1 5; mknod -m 666 "$R/dev/full" c 1 7
        mknod -m 666 "$R/dev/random" c 1 8; mknod -m 666 "$R/dev/urandom" c 1 9; mknod -m 666 "$R/dev/tty" c 5 0
        # snapd mounts snaps by FUSE in a container: no loop device of this machine is taken.
        mknod -m 666 "$R/dev/fuse" c 10 229
        mkdir "$R/dev/pts" "$R/dev/shm"; mount -t devpts -o newinstance,ptmxmode=0666 devpts "$R/dev/pts"; ln -s pts/ptmx "$R/dev/ptmx"
        mount -t tmpfs -o mode=755 tmpfs "$R/run"; mount -t tmpfs tmpfs "$R/tmp"
        hostname controller
        ip link set lo up
        cd "$R"; pivot_root . .; umount -l .
        # As systemd does where it is no container: snap-confine would bind /snap over itself.
        mount --make-rshared /
        exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 /lib/systemd/systemd --log-target=journal
      '\'' _ "$@"' _ "$DIR" "$GROUP" "$BASE" "$cpu" </dev/null >"$DIR/out" 2>&1 &
    echo $! >"$DIR/pid"
  fi
  for _ in $(seq 900); do
    i=$(init_of || true)
    if [ -n "$i" ] && [ -S "/proc/$i/root/run/dbus/system_bus_socket" ] && nsenter -t "$i" -a systemctl is-active -q systemd-networkd 2>/dev/null; then echo "$i"; exit; fi
    sleep .1
  done
  echo "its networkd was not active within a minute and a half" >&2; tail -n 20 "$DIR/out" >&2; exit 1 ;;
stop)
  # Whoever is in its group ends, be it that the unshare above is gone already; then it is waited for.
  if mine; then kill -KILL "$(cat "$DIR/pid")" 2>/dev/null || true; fi
  for _ in $(seq 100); do
    [ -d "$GROUP" ] || break
    for p in $(find "$GROUP" -name cgroup.procs -exec cat {} + 2>/dev/null); do kill -KILL "$p" 2>/dev/null || true; done
    find "$GROUP" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    sleep .1
  done
  if [ -d "$GROUP" ]; then echo "still there: $GROUP with $(find "$GROUP" -name cgroup.procs -exec cat {} + | tr '\n' ' ')" >&2; exit 1; fi
  if mine; then echo "still runs: $(cat "$DIR/pid")" >&2; exit 1; fi
  if [ -f "$DIR/pid" ] || [ -f "$DIR/debootstrap.out" ]; then rm -rf "$DIR"; fi ;;
*) sed -n 2p "$0" >&2; exit 2 ;;
esac
