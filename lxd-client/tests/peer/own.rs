//! Daemons of a test's own.

use std::path::PathBuf;

use crate::stage::Stage;

/// A daemon beside the one that the other tests share.
pub(crate) struct Own {
    dir: tempfile::TempDir,
    slot: u8,
}

impl Own {
    /// Starts one, where the shared one is to be had.
    pub(crate) fn start(slot: u8) -> Option<Self> {
        if !Stage::is_real_there() {
            return None;
        }
        let own = Self {
            dir: tempfile::tempdir().unwrap(),
            slot,
        };
        own.script("start");
        Some(own)
    }

    // The peer is a process of the test's own.
    #[allow(clippy::disallowed_types)]
    pub(crate) fn script(&self, what: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/peers/lxd-peer.sh");
        let status = std::process::Command::new("bash")
            .arg(script)
            .arg(what)
            .arg(self.dir.path().join("lxd"))
            .env("LXD_PEER_SLOT", self.slot.to_string())
            .status();
        assert!(status.unwrap().success(), "lxd-peer.sh {what}");
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("lxd/var/unix.socket")
    }

    /// A line between the namespaces of two of them: our address on it, and the other's.
    pub(crate) fn line(&self, other: &Self) -> (String, String) {
        let (a, b) = (self.slot, other.slot);
        let at = |n: u8| format!("198.18.54.{}", 16 * a + n);
        let (here, there) = (at(2 * b % 14 + 1), at(2 * b % 14 + 2));
        let (near, far) = (format!("cbl{a}-{b}"), format!("cbl{b}-{a}"));
        for command in [
            format!("link add {near} netns cblxd-{a} type veth peer name {far} netns cblxd-{b}"),
            format!("-n cblxd-{a} addr add {here} peer {there} dev {near}"),
            format!("-n cblxd-{b} addr add {there} peer {here} dev {far}"),
            format!("-n cblxd-{a} link set {near} up"),
            format!("-n cblxd-{b} link set {far} up"),
        ] {
            run(&format!("ip {command}"));
        }
        (here, there)
    }

    /// A line by which each reaches the address at which we reach the other.
    pub(crate) fn meet(&self, other: &Self) {
        let (here, there) = self.line(other);
        let (ours, theirs) = (self.address(), other.address());
        for (slot, to, via, from) in [
            (self.slot, &theirs, &there, &ours),
            (other.slot, &ours, &here, &theirs),
        ] {
            run(&format!(
                "ip -n cblxd-{slot} route add {to}/32 via {via} src {from}"
            ));
        }
    }

    /// Where we reach it.
    pub(crate) fn address(&self) -> String {
        format!("198.18.53.{}", 4 * self.slot + 2)
    }

    #[allow(clippy::disallowed_types)]
    pub(crate) fn kill(&self) {
        let pid = std::fs::read_to_string(self.dir.path().join("lxd/pid")).unwrap();
        let status = std::process::Command::new("kill")
            .args(["-KILL", pid.trim()])
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.script("stop");
    }
}

/// Runs a command of the machine's.
#[allow(clippy::disallowed_types)]
fn run(line: &str) {
    let mut words = line.split(' ');
    let status = std::process::Command::new(words.next().unwrap())
        .args(words)
        .status();
    assert!(status.unwrap().success(), "{line}");
}
