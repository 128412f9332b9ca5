//! What is told on the stream of events.

use serde_json::{Value, json};

use super::state::{Note, World};

impl World {
    pub(super) fn event(&mut self, kind: &'static str, project: &str, metadata: Value) {
        let text = json!({
            "type": kind, "timestamp": self.timestamp(), "metadata": metadata,
            "location": "none", "project": project,
        })
        .to_string();
        self.notes.push(Note::Event {
            kind,
            project: project.to_owned(),
            text,
        });
    }

    pub(super) fn lifecycle(&mut self, project: &str, action: &str, source: &str, context: Value) {
        let source = match project {
            "default" => source.to_owned(),
            project => format!("{source}?project={project}"),
        };
        let metadata = json!({
            "action": action, "source": source, "context": context,
            "requestor": {"username": "root", "protocol": "unix", "address": "@"},
        });
        self.event("lifecycle", project, metadata);
    }
}
