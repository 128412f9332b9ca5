//! Integration tests of the workspace, and the harness that finds the real peers.
//!
//! `tests/peers/start` starts every real system that the tests are held to and writes where they are into a file of environment
//! variables; [`peer`] finds them there. See `tests/README.md`.

pub mod mission;

/// A real system that a test may be held to.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Peer {
    /// What it is called in messages.
    pub name: &'static str,
    /// The variable that says where it is.
    pub variable: &'static str,
}

/// The real systems that the tests know, each with the variable that says where it is.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "openbao",
        variable: "CLOUDBOOT_OPENBAO_URL",
    },
    Peer {
        name: "openbao-mission",
        variable: "CLOUDBOOT_OPENBAO_MISSION_URL",
    },
    Peer {
        name: "openbao-tls",
        variable: "CLOUDBOOT_OPENBAO_TLS_URL",
    },
    Peer {
        name: "openstack",
        variable: "CLOUDBOOT_OPENSTACK_AUTH_URL",
    },
    Peer {
        name: "postgres",
        variable: "CLOUDBOOT_POSTGRES_URL",
    },
    Peer {
        name: "lxd",
        variable: "CLOUDBOOT_LXD_SOCKET",
    },
    Peer {
        name: "snapd",
        variable: "CLOUDBOOT_SNAPD_SOCKET",
    },
    Peer {
        name: "systemd",
        variable: "CLOUDBOOT_SYSTEMD_PID",
    },
];

/// Where the real system called `name` is (the value of its variable in [`PEERS`]), if it runs.
///
/// Without it, prints `skipped: ...` with how to get it; a test then returns. With `CLOUDBOOT_PEERS=1`, as `.ci/run` sets it, its absence
/// fails the test.
///
/// # Panics
/// When the peer is absent and `CLOUDBOOT_PEERS=1`, and for a name that is not in [`PEERS`].
pub fn peer(name: &str) -> Option<String> {
    let Some(peer) = PEERS.iter().find(|p| p.name == name) else {
        let known: Vec<_> = PEERS.iter().map(|p| p.name).collect();
        panic!("no peer is called {name:?}; there are {}", known.join(", "));
    };
    let there = std::env::var(peer.variable).ok().filter(|v| !v.is_empty());
    if there.is_none() {
        let how = format!(
            "{name} is not here ({} is not set): `. <(tests/peers/start {name})` starts it",
            peer.variable
        );
        if std::env::var("CLOUDBOOT_PEERS").as_deref() == Ok("1") {
            panic!("{how}; CLOUDBOOT_PEERS=1 demands it");
        }
        println!("skipped: {how}");
    }
    there
}

/// The code in the READMEs, compiled.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../README.md")]
    struct Root;
    #[doc = include_str!("../../cloudboot/README.md")]
    struct Cloudboot;
}
