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
pub(crate) fn run(line: &str) {
    let mut words = line.split(' ');
    let status = std::process::Command::new(words.next().unwrap())
        .args(words)
        .status();
    assert!(status.unwrap().success(), "{line}");
}
