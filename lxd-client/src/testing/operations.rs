//! Background operations.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{Reply, Req};
use super::jobs::{Failure, Job, Outcome};
use super::state::{Op, World, uuid};

/// How long an ended operation is remembered (observed on 5.0.2).
const REMEMBERED: Duration = Duration::from_secs(5);

fn status(code: u16) -> &'static str {
    match code {
        103 => "Running",
        105 => "Pending",
        200 => "Success",
        401 => "Cancelled",
        _ => "Failure",
    }
}

impl World {
    /// Starts an operation that does a job when its time is over.
    pub(super) fn start(
        &mut self,
        project: &str,
        description: &str,
        resources: &[(&str, String)],
        lasts: Duration,
        job: Job,
    ) -> String {
        let mut map = BTreeMap::<String, Vec<String>>::new();
        for (kind, path) in resources {
            map.entry((*kind).to_owned())
                .or_default()
                .push(path.clone());
        }
        let progress = job.progress_key().map(str::to_owned);
        let op = Op {
            class: "task".into(),
            description: description.into(),
            project: project.into(),
            resources: map,
            job: Some(job),
            due: self.now + lasts,
            progress,
            ..Op::default()
        };
        self.start_op(op)
    }

    pub(super) fn start_op(&mut self, mut op: Op) -> String {
        let id = uuid();
        op.created = self.timestamp();
        op.code = 103;
        op.began = self.now;
        let project = op.project.clone();
        self.state.operations.insert(id.clone(), op);
        self.dirty = true;
        if !self.disorder {
            self.operation_event(&id, &project, 105);
            self.operation_event(&id, &project, 103);
        }
        id
    }

    /// An operation whose work is done already.
    pub(super) fn done(
        &mut self,
        project: &str,
        description: &str,
        resources: &[(&str, String)],
    ) -> String {
        let id = self.start(
            project,
            description,
            resources,
            Duration::ZERO,
            Job::Nothing,
        );
        self.finish(&id, Ok(None));
        id
    }

    /// An operation that fails at once.
    pub(super) fn failed(
        &mut self,
        project: &str,
        description: &str,
        why: impl Into<Failure>,
    ) -> Reply {
        let lasts = Duration::ZERO;
        let id = self.start(project, description, &[], lasts, Job::Nothing);
        self.finish(&id, Err(why.into()));
        Reply::Async(id)
    }

    /// Ends an operation.
    pub(super) fn finish(&mut self, id: &str, outcome: Outcome) {
        let Some(op) = self.state.operations.get_mut(id) else {
            return;
        };
        op.job = None;
        match outcome {
            Ok(metadata) => {
                op.code = 200;
                if let Some(metadata) = metadata {
                    op.metadata = metadata;
                }
            }
            Err(Failure { code, why }) => {
                op.code = 400;
                op.err = why;
                op.err_code = code;
            }
        }
        let (project, code) = (op.project.clone(), op.code);
        self.dirty = true;
        self.ended.insert(id.to_owned(), std::time::Instant::now());
        self.operation_event(id, &project, code);
        if self.disorder {
            self.operation_event(id, &project, 105);
            self.operation_event(id, &project, 103);
        }
    }

    pub(super) fn operation_json(&self, id: &str) -> Option<Value> {
        let op = self.state.operations.get(id)?;
        let mut metadata = op.metadata.clone();
        if op.code == 103
            && let Some(key) = &op.progress
        {
            let whole = op.due.saturating_sub(op.began).as_secs_f64().max(1e-9);
            let part = self.now.saturating_sub(op.began).as_secs_f64() / whole;
            metadata =
                json!({key.as_str(): format!("rootfs: {:.0}% (50.00MB/s)", part.min(1.0) * 100.0)});
        }
        let mut resources = json!(op.resources);
        for paths in resources
            .as_object_mut()
            .into_iter()
            .flat_map(|r| r.values_mut())
        {
            if paths.as_array().is_some_and(Vec::is_empty) {
                *paths = Value::Null;
            }
        }
        if op.resources.is_empty() {
            resources = Value::Null;
        }
        // What it works at is told otherwise in later ones.
        let entity = op.resources.values().flatten().next();
        if self.is_like(6, 8) {
            resources = json!({});
            if let Some(path) = entity {
                metadata["entity_url"] = path.as_str().into();
            }
        }
        let mut told = json!({
            "id": id, "class": op.class, "description": op.description,
            "created_at": op.created, "updated_at": op.created,
            "status": status(op.code), "status_code": op.code,
            "resources": resources,
            "metadata": metadata, "may_cancel": op.may_cancel, "err": op.err, "location": "none",
        });
        if self.is_like(6, 8) {
            told["err_code"] = op.err_code.into();
        }
        Some(told)
    }

    fn operation_event(&mut self, id: &str, project: &str, code: u16) {
        if let Some(mut told) = self.operation_json(id) {
            told["status"] = status(code).into();
            told["status_code"] = code.into();
            if code == 103 || code == 105 {
                told["err"] = "".into();
                if self.is_like(6, 8) {
                    told["err_code"] = 0.into();
                }
            }
            self.event("operation", project, told);
        }
    }

    /// Runs what is due, the earliest first; forgets what ended long ago.
    pub(super) fn run_due(&mut self) {
        loop {
            let next = self
                .state
                .operations
                .iter()
                .filter(|(_, op)| op.job.is_some() && op.due <= self.now)
                .min_by_key(|(_, op)| (op.due, op.began))
                .map(|(id, _)| id.clone());
            let Some(id) = next else { break };
            let Some((job, project)) = self
                .state
                .operations
                .get_mut(&id)
                .and_then(|op| op.job.take().map(|j| (j, op.project.clone())))
            else {
                break;
            };
            let outcome = job.run(self, &project);
            self.finish(&id, outcome);
        }
        let instant = std::time::Instant::now();
        let over: Vec<String> = self
            .state
            .operations
            .iter()
            .filter(|(_, op)| op.code != 103)
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            // One that came back with a restored state has its five seconds from now.
            let ended = *self.ended.entry(id.clone()).or_insert(instant);
            if ended.elapsed() >= REMEMBERED {
                self.ended.remove(&id);
                self.state.operations.remove(&id);
                self.dirty = true;
            }
        }
    }

    /// What its `/wait` answers. Where it failed, or goes on beyond the wait's time, 5.20 and later
    /// answer an error document with HTTP status 200 (observed on 5.21.7 and 6.9).
    pub(super) fn waited(&self, id: &str) -> Reply {
        let Some(op) = self.state.operations.get(id) else {
            return Reply::not_found("Operation");
        };
        match op.code {
            code if code == 200 || !self.is_like(5, 20) => {
                Reply::ok(self.operation_json(id).unwrap_or_default())
            }
            103 | 105 => Reply::FailedWait(500, "context deadline exceeded".into()),
            401 => Reply::FailedWait(500, "context canceled".into()),
            _ => Reply::FailedWait(op.err_code, op.err.clone()),
        }
    }

    pub(super) fn is_running(&self, id: &str) -> Option<bool> {
        self.state.operations.get(id).map(|op| op.code == 103)
    }

    pub(super) fn operations(&mut self, req: &Req) -> Result<Reply, Reply> {
        let missing = || Reply::not_found("Operation");
        match (
            req.method.as_str(),
            req.path.get(1),
            req.path.get(2).map(String::as_str),
        ) {
            ("GET", None, _) => {
                let mut grouped = BTreeMap::<String, Vec<Value>>::new();
                let (project, all) = (req.project(), req.all_projects());
                for (id, op) in &self.state.operations {
                    if !all && !op.project.is_empty() && op.project != project {
                        continue;
                    }
                    let entry = if req.recursion() == 0 {
                        json!(format!("/1.0/operations/{id}"))
                    } else {
                        self.operation_json(id).unwrap_or_default()
                    };
                    grouped
                        .entry(status(op.code).to_ascii_lowercase())
                        .or_default()
                        .push(entry);
                }
                Ok(Reply::ok(grouped))
            }
            ("GET", Some(id), None) => self.operation_json(id).map(Reply::ok).ok_or_else(missing),
            ("GET", Some(id), Some("wait")) => {
                if !self.state.operations.contains_key(id) {
                    return Err(missing());
                }
                let timeout = req
                    .query
                    .get("timeout")
                    .and_then(|t| t.parse().ok())
                    .unwrap_or(-1);
                Ok(Reply::Wait(id.clone(), timeout))
            }
            ("GET", Some(id), Some("websocket")) => {
                let op = self.state.operations.get(id).ok_or_else(missing)?;
                let secret = req.query.get("secret").cloned().unwrap_or_default();
                // An exec's are below `fds`, a migration's are not.
                let fds = match op.metadata["fds"].as_object() {
                    Some(fds) => Some(fds),
                    None => op.metadata.as_object(),
                };
                let fd = fds
                    .into_iter()
                    .flatten()
                    .filter(|(fd, _)| *fd != "entity_url")
                    .find(|(_, s)| s.as_str() == Some(secret.as_str()))
                    .map(|(fd, _)| fd.clone());
                match fd {
                    Some(fd) => Ok(Reply::ExecSocket {
                        operation: id.clone(),
                        fd,
                    }),
                    None => Err(Reply::error(500, "Invalid websocket secret")),
                }
            }
            ("DELETE", Some(id), None) => {
                let op = self.state.operations.get_mut(id).ok_or_else(missing)?;
                if !op.may_cancel || op.code != 103 {
                    return Err(Reply::error(400, "This operation can't be cancelled"));
                }
                op.job = None;
                op.code = 401;
                let project = op.project.clone();
                self.ended.insert(id.clone(), std::time::Instant::now());
                self.dirty = true;
                self.operation_event(id, &project, 401);
                Ok(Reply::empty())
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
