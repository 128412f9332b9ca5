//! `/1.0/instances/NAME/files`.

use super::answers::{Reply, Req};
use super::state::{FileEntry, World};

/// A path without its trailing, doubled or dotted parts.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn headers(file: &FileEntry) -> Vec<(&'static str, String)> {
    vec![
        ("x-lxd-uid", file.uid.to_string()),
        ("x-lxd-gid", file.gid.to_string()),
        ("x-lxd-mode", format!("{:04o}", file.mode)),
        ("x-lxd-type", file.kind.clone()),
    ]
}

impl World {
    pub(super) fn files(&mut self, req: &Req, project: &str, name: &str) -> Result<Reply, Reply> {
        let path = match req.query.get("path") {
            Some(p) if p.starts_with('/') => normal(p),
            _ => return Err(Reply::error(400, "Missing path argument")),
        };
        let Some(files) = self.record(project, name).and_then(|r| r.files.as_mut()) else {
            return Err(Reply::error(
                500,
                format!("open /var/lib/lxd/containers/{name}/rootfs: no such file or directory"),
            ));
        };
        let missing = || Reply::error(404, "not found");
        match req.method.as_str() {
            "GET" | "HEAD" => {
                let file = files.get(&path).ok_or_else(missing)?;
                let mut headers = headers(file);
                if file.kind == "directory" {
                    let prefix = if path == "/" {
                        "/".to_owned()
                    } else {
                        format!("{path}/")
                    };
                    let names: Vec<&str> = files
                        .keys()
                        .filter_map(|p| p.strip_prefix(&prefix))
                        .filter(|rest| !rest.is_empty() && !rest.contains('/'))
                        .collect();
                    let body = serde_json::json!({
                        "type": "sync", "status": "Success", "status_code": 200, "operation": "",
                        "error_code": 0, "error": "", "metadata": names,
                    });
                    headers.push(("content-type", "application/json".into()));
                    return Ok(Reply::Raw(headers, body.to_string().into()));
                }
                headers.push(("content-type", "application/octet-stream".into()));
                Ok(Reply::Raw(headers, file.content.clone().into()))
            }
            "POST" => {
                let header = |n: &str| req.headers.get(n).map(String::as_str);
                let number = |n: &str| header(n).and_then(|v| v.parse().ok()).unwrap_or(0);
                let kind = header("x-lxd-type").unwrap_or("file").to_owned();
                let parent = path.rsplit_once('/').map_or("", |(up, _)| up);
                let parent = if parent.is_empty() { "/" } else { parent };
                if files.get(parent).is_none_or(|f| f.kind != "directory") {
                    return Err(missing());
                }
                let mode = header("x-lxd-mode")
                    .and_then(|m| u32::from_str_radix(m, 8).ok())
                    .unwrap_or(0o644);
                // A form's content type makes the real one write an empty file.
                let form = header("content-type")
                    .is_some_and(|t| t.starts_with("application/x-www-form-urlencoded"));
                let mut content = if form { Vec::new() } else { req.body.to_vec() };
                if kind == "directory" {
                    if files.contains_key(&path) {
                        return Ok(Reply::empty());
                    }
                    content.clear();
                }
                if header("x-lxd-write") == Some("append")
                    && let Some(old) = files.get(&path)
                {
                    let mut both = old.content.clone();
                    both.extend(content);
                    content = both;
                }
                let file = FileEntry {
                    kind,
                    uid: number("x-lxd-uid"),
                    gid: number("x-lxd-gid"),
                    mode,
                    content,
                };
                files.insert(path, file);
                self.dirty = true;
                Ok(Reply::empty())
            }
            "DELETE" => {
                if !files.contains_key(&path) {
                    return Err(missing());
                }
                let prefix = format!("{path}/");
                if files.keys().any(|p| p.starts_with(&prefix)) {
                    return Err(Reply::error(500, "sftp: \"Failure\" (SSH_FX_FAILURE)"));
                }
                files.remove(&path);
                self.dirty = true;
                Ok(Reply::empty())
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
