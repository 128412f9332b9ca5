//! What has no network API of its own: snapd socket, PostgreSQL, netplan, nftables, sysctl, files, SSH keys.
