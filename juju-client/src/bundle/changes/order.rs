//! The order in which changes are told.

use std::collections::BTreeSet;

use super::super::plan::Change;

/// A stable Kahn sort: scan what is left in its first order again and again, emit what waits for nothing, and let what was
/// emitted count within the same scan.
pub(super) fn order(changes: Vec<Change>) -> Vec<Change> {
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut left = changes;
    let mut sorted = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let before = sorted.len();
        let mut rest = Vec::new();
        for c in left {
            if c.requires.iter().all(|r| done.contains(r)) {
                done.insert(c.id.clone());
                sorted.push(c);
            } else {
                rest.push(c);
            }
        }
        if sorted.len() == before {
            // Cannot be: requirements are of earlier changes only. What is left goes as it stands.
            sorted.extend(rest);
            break;
        }
        left = rest;
    }
    sorted
}
