//! `/1.0/instances/NAME/snapshots`.

use serde_json::json;

use super::answers::{Reply, Req, etag, text};
use super::instances::paths;
use super::jobs::Job;
use super::state::{InstanceRecord, World};

impl World {
    pub(super) fn snapshots(
        &mut self,
        req: &Req,
        project: &str,
        name: &str,
        rest: &[&str],
    ) -> Result<Reply, Reply> {
        let Some(record) = self.record(project, name).cloned() else {
            return Err(Reply::not_found("Instance"));
        };
        let tell = |snapshot: &str, r: &InstanceRecord| {
            json!({
                "name": snapshot, "created_at": r.last_used, "stateful": false,
                "config": r.config, "devices": r.devices, "profiles": r.profiles,
                "architecture": r.architecture, "ephemeral": false, "size": -1,
            })
        };
        let paths = paths(&record, name);
        let start = |world: &mut Self, what: &str, job: Job| {
            let lasts = world.durations.update;
            Ok(Reply::Async(world.start(project, what, &paths, lasts, job)))
        };
        match (req.method.as_str(), rest) {
            ("GET", []) => Ok(Reply::ok(
                record
                    .snapshots
                    .iter()
                    .map(|(n, r)| match req.recursion() {
                        0 => json!(format!("/1.0/instances/{name}/snapshots/{n}")),
                        _ => tell(n, r),
                    })
                    .collect::<Vec<_>>(),
            )),
            ("POST", []) => {
                let job = Job::Snapshot {
                    name: name.to_owned(),
                    snapshot: text(&req.json()?, "name"),
                };
                start(self, "Snapshotting instance", job)
            }
            (method, [snapshot]) => {
                let Some(found) = record.snapshots.get(*snapshot) else {
                    return Err(Reply::not_found("Instance snapshot"));
                };
                match method {
                    "GET" => {
                        let told = tell(snapshot, found);
                        let tag = etag(&told);
                        Ok(Reply::Sync(told, Some(tag)))
                    }
                    "POST" => {
                        let to = text(&req.json()?, "name");
                        if record.snapshots.contains_key(&to) {
                            let what = format!("Name '{name}/{to}' already in use");
                            return Err(Reply::error(409, what));
                        }
                        if let Some(record) = self.record(project, name)
                            && let Some(kept) = record.snapshots.remove(*snapshot)
                        {
                            record.snapshots.insert(to, kept);
                        }
                        Ok(Reply::Async(self.done(
                            project,
                            "Renaming snapshot",
                            &paths,
                        )))
                    }
                    "DELETE" => {
                        let job = Job::DeleteSnapshot {
                            name: name.to_owned(),
                            snapshot: (*snapshot).to_owned(),
                        };
                        start(self, "Deleting snapshot", job)
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
