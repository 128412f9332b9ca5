//! Events and the results of scripts.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ids::{EventId, ScriptId, ScriptSetId, SystemId};
use crate::macros::model;
use crate::model::{BlockDevice, Interface};

model! {
    /// A page of events.
    Events {
        [
            /// The events, newest first.
            events: Vec<Event>,
        ]
        /// How many there are in this page.
        count: u64,
        /// Where the next page is.
        next_uri: Option<String>,
        /// Where the previous page is.
        prev_uri: Option<String>,
    }
}

model! {
    /// Something that happened.
    Event {
        [
            /// Its id.
            id: EventId,
        ]
        /// The node's id.
        node: String,
        /// The node's name.
        hostname: String,
        /// Who did it.
        username: String,
        /// `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
        level: String,
        /// When.
        created: String,
        /// What kind.
        r#type: String,
        /// What exactly.
        description: String,
    }
}

model! {
    /// A set of script results of a node.
    ScriptSet {
        [
            /// Its id.
            id: ScriptSetId,
        ]
        /// The node.
        system_id: Option<SystemId>,
        /// What ran: 0 commissioning, 1 installation, 2 testing.
        r#type: i64,
        /// The same in words.
        type_name: String,
        /// How it went, as a number (0 pending, 1 running, 2 passed, 3 failed...).
        status: i64,
        /// The same in words.
        status_name: String,
        /// When the node was last heard of.
        last_ping: Option<String>,
        /// When it began.
        started: Option<String>,
        /// When it ended.
        ended: Option<String>,
        /// How long it ran.
        runtime: String,
        /// The scripts.
        results: Vec<ScriptResult>,
    }
}

impl ScriptSet {
    /// The scripts that did not pass.
    pub fn failures(&self) -> impl Iterator<Item = &ScriptResult> {
        // 3 failed, 4 timed out, 5 aborted, 6 degraded, 8 failed installing, 10 failed applying netplan.
        self.results
            .iter()
            .filter(|r| matches!(r.status, 3..=6 | 8 | 10) && !r.suppressed)
    }
}

model! {
    /// The result of one script.
    ScriptResult {
        /// Its id.
        id: i64,
        /// The script's name.
        name: String,
        /// The script.
        script_id: Option<ScriptId>,
        /// How it went, as a number.
        status: i64,
        /// The same in words.
        status_name: String,
        /// The script's exit status.
        exit_status: Option<i64>,
        /// When it began.
        started: Option<String>,
        /// When it ended.
        ended: Option<String>,
        /// How long it ran.
        runtime: String,
        /// Both outputs, base64 (only where asked for).
        output: Option<String>,
        /// Standard output, base64.
        stdout: Option<String>,
        /// Standard error, base64.
        stderr: Option<String>,
        /// The result that it stated, base64.
        result: Option<String>,
        /// Whether it counts no longer.
        suppressed: bool,
        /// The disk that was tested.
        physical_blockdevice: Option<BlockDevice>,
        /// The interface that was tested.
        interface: Option<Interface>,
        /// The parameters that it ran with.
        parameters: BTreeMap<String, ScriptParameter>,
        /// When it came to be.
        created: String,
        /// When it was last changed.
        updated: String,
        /// When it began, in seconds since 1970.
        starttime: Option<f64>,
        /// When it ended, in seconds since 1970.
        endtime: Option<f64>,
        /// How long it is thought to run.
        estimated_runtime: String,
        /// The version of the script.
        script_revision_id: Option<i64>,
    }
}

model! {
    /// A parameter of a script.
    ScriptParameter {
        /// `string`, `integer`, `boolean`, `choice`, `storage`, `interface`, `url`, `password`...
        r#type: String,
        /// What people read.
        title: String,
        /// What it does.
        description: String,
        /// How it is put on the command line.
        argument_format: String,
        /// Whether it must be given.
        required: bool,
        /// The least number or length.
        min: Option<f64>,
        /// The greatest number or length.
        max: Option<f64>,
        /// What can be chosen.
        choices: Vec<Value>,
        /// Whether several can be given.
        allow_list: bool,
        /// What it is when not given: a text, a number or a truth value.
        default: Option<Value>,
        /// What it is: a text, a number, a truth value, or the disk or interface that is tested.
        value: Option<Value>,
    }
}

model! {
    /// What a script says about its results, and which packages it wants.
    ScriptResultKind {
        /// What people read.
        title: String,
        /// What it is.
        description: String,
    }
}
