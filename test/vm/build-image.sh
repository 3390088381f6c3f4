#!/bin/bash
# Makes the machine that the stories run in: a kernel, an initramfs that finds the disk, and a Debian with systemd and Node on it.
#
#   build-image.sh <folder> <node>
#
# The folder appears whole or not at all. What it needs is installed by scripts/install-debian-packages.sh vm.
set -euo pipefail
folder=$1 node=$2
made=$folder.new
rm -rf "$made"
mkdir -p "$made/packages" "$made/initramfs/"{bin,modules,proc,sys,dev,root}
cd "$made"

# Nothing of these is installed on the host: they are taken apart.
kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
(cd packages && apt-get -qq -o APT::Sandbox::User=root download "$kernel" busybox-static)
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
version=$(ls unpacked/lib/modules)
cp "unpacked/boot/vmlinuz-$version" kernel

# The disk is found by the initramfs, for its driver is no part of the kernel.
cp unpacked/bin/busybox initramfs/bin/
drivers=unpacked/lib/modules/$version/kernel/drivers
cp "$drivers"/virtio/virtio{,_ring,_pci,_pci_modern_dev,_pci_legacy_dev}.ko "$drivers"/block/virtio_blk.ko initramfs/modules/
cat >initramfs/init <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do $b insmod /modules/$module.ko; done
until [ -b /dev/vda ]; do $b sleep 0.05; done
$b mount -t ext4 /dev/vda /root && exec $b switch_root /root /sbin/init
$b poweroff -f
INIT
chmod 755 initramfs/init
(cd initramfs && find . | cpio --quiet -o -H newc | gzip -1) >initramfs.gz

# The stories come on the second disk, as an archive, and what they say goes to the second serial line.
cat >stories.service <<'UNIT'
[Unit]
Description=stories
[Service]
Type=exec
StandardOutput=file:/dev/ttyS1
StandardError=inherit
ExecStart=/bin/sh -c 'mkdir -p /stories && tar -C /stories -xf /dev/vdb; exec node /stories/test/vm/guest.ts'
ExecStopPost=/sbin/poweroff -f
[Install]
WantedBy=multi-user.target
UNIT
# Nobody logs in, nobody else sets the clock, and of the hardware there is nothing to be found but disks.
unwanted="serial-getty@ttyS0.service getty@tty1.service systemd-timesyncd.service systemd-logind.service systemd-udev-trigger.service
  systemd-random-seed.service systemd-journal-flush.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_reap.service
  e2scrub_all.timer fstrim.timer"
export version node made unwanted
mmdebstrap --quiet --variant=minbase --format=null \
  --include=systemd-sysv,dbus,procps,udev,kmod,dmsetup,e2fsprogs,libstdc++6,libatomic1 \
  --customize-hook='mkdir -p "$1/lib/modules" && cp -r "$made/unpacked/lib/modules/$version" "$1/lib/modules/" && chroot "$1" depmod "$version"' \
  --customize-hook='cp "$node" "$1/usr/local/bin/node" && cp "$made/stories.service" "$1/etc/systemd/system/"' \
  --customize-hook='chroot "$1" systemctl -q enable stories.service' \
  --customize-hook='chroot "$1" systemctl -q mask $unwanted' \
  --customize-hook='mkdir "$made/root" && tar -C "$1" --one-file-system -c . | tar -C "$made/root" -x' \
  --customize-hook='truncate -s 1500M "$made/disk" && mke2fs -q -t ext4 -d "$made/root" -F "$made/disk" && rm -rf "$made/root"' \
  bookworm
rm -rf packages unpacked initramfs stories.service
mv "$made" "$folder"
