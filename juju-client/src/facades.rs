//! Which versions of which facades this library speaks, and the choice between ours and the server's.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind, Result};

/// Facade name and the versions whose wire this library knows.
pub type Supported = (&'static str, &'static [u32]);

/// Ours. From the schemas of 3.1 to 3.6 and the servers of 4.0 and 4.1.
pub(crate) const SUPPORTED: &[Supported] = &[
    ("Action", &[7]),
    ("Admin", &[3]),
    ("AllWatcher", &[1, 2, 3]),
    ("Annotations", &[2]),
    ("Application", &[15, 16, 17, 18, 19, 20, 21, 22]),
    ("ApplicationOffers", &[4, 5, 6]),
    ("Backups", &[3]),
    ("Block", &[2]),
    ("Bundle", &[6, 7, 8]),
    ("Charms", &[5, 6, 7]),
    ("Client", &[6, 7, 8]),
    ("Cloud", &[7, 8]),
    ("Controller", &[11, 12, 13, 14]),
    ("KeyManager", &[1]),
    ("MachineManager", &[9, 10, 11, 12]),
    ("ModelConfig", &[3, 4]),
    ("ModelManager", &[9, 10, 11]),
    ("Pinger", &[1]),
    ("Resources", &[2, 3]),
    ("Secrets", &[1, 2]),
    ("Spaces", &[6]),
    ("Storage", &[6, 7]),
    ("StringsWatcher", &[1]),
    ("Subnets", &[5]),
    ("UserManager", &[3]),
];

pub(crate) fn ours(facade: &str) -> Option<&'static [u32]> {
    SUPPORTED
        .iter()
        .find(|(n, _)| *n == facade)
        .map(|(_, v)| *v)
}

/// The highest version in both. A facade that we do not type takes the server's best.
pub(crate) fn negotiate(
    server: &BTreeMap<String, Vec<u32>>,
    server_version: &str,
    facade: &str,
    ours: Option<&[u32]>,
    operation: &str,
) -> Result<u32> {
    let Some(theirs) = server.get(facade) else {
        return Err(Error::new(
            ErrorKind::NotSupported,
            operation,
            format!("the server (Juju {server_version}) has no facade {facade} on this connection"),
        )
        .hint(
            "a model's facades are on the model's connection, the controller's on the controller's",
        ));
    };
    let Some(ours) = ours else {
        return Ok(theirs.iter().copied().max().unwrap_or(0));
    };
    ours.iter().copied().filter(|v| theirs.contains(v)).max().ok_or_else(|| {
        let (our_best, their_best) = (ours.iter().max().copied().unwrap_or(0), theirs.iter().max().copied().unwrap_or(0));
        let who = if their_best < our_best { "the server is too old for this call" } else { "the server is too new for this library" };
        Error::new(
            ErrorKind::NotSupported,
            operation,
            format!("no common version of facade {facade}: this library has {ours:?}, the server (Juju {server_version}) has {theirs:?}; {who}"),
        )
    })
}
