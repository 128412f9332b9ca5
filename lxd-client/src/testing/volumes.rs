//! Custom volumes of the pools.

use serde_json::json;

use super::answers::{Reply, Req, config_of, etag, text};
use super::state::{VolumeState, World};

impl World {
    pub(super) fn volumes(&mut self, req: &Req, pool: &str, rest: &[&str]) -> Result<Reply, Reply> {
        let project = self.effective(&req.project(), "storage.volumes");
        let Some(state) = self.state.pools.get_mut(pool) else {
            return Err(Reply::not_found("Storage pool"));
        };
        let tell = |key: &str, v: &VolumeState| {
            json!({
                "config": v.config, "description": v.description,
                "name": key.split_once('/').map_or(key, |(_, n)| n), "type": "custom",
                "used_by": [], "location": "none", "content_type": v.content_type,
                "project": project,
            })
        };
        match (req.method.as_str(), rest) {
            ("GET", [] | ["custom"]) => {
                let prefix = format!("{project}/");
                let mine = state.volumes.iter().filter(|(k, _)| k.starts_with(&prefix));
                Ok(Reply::ok(
                    mine.map(|(k, v)| match req.recursion() {
                        0 => json!(format!(
                            "/1.0/storage-pools/{pool}/volumes/custom/{}",
                            &k[prefix.len()..]
                        )),
                        _ => tell(k, v),
                    })
                    .collect::<Vec<_>>(),
                ))
            }
            ("POST", ["custom"]) => {
                let body = req.json()?;
                let name = text(&body, "name");
                let key = format!("{project}/{name}");
                if state.volumes.contains_key(&key) {
                    return Err(Reply::error(409, "Volume by that name already exists"));
                }
                let volume = VolumeState {
                    config: config_of(&body),
                    description: text(&body, "description"),
                    content_type: match text(&body, "content_type") {
                        c if c.is_empty() => "filesystem".into(),
                        c => c,
                    },
                };
                state.volumes.insert(key, volume);
                self.count("storage-volume", &name);
                Ok(Reply::Created(format!(
                    "/1.0/storage-pools/{pool}/volumes/custom/{name}"
                )))
            }
            (method, ["custom", name]) => {
                let key = format!("{project}/{name}");
                let Some(volume) = state.volumes.get_mut(&key) else {
                    return Err(Reply::not_found("Storage volume"));
                };
                let told = tell(&key, volume);
                let tag = etag(&json!([told["config"], told["description"]]));
                match method {
                    "GET" => Ok(Reply::Sync(told, Some(tag))),
                    "PUT" => {
                        req.matches(&tag)?;
                        let body = req.json()?;
                        volume.config = config_of(&body);
                        volume.description = text(&body, "description");
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    "DELETE" => {
                        state.volumes.remove(&key);
                        self.dirty = true;
                        Ok(Reply::empty())
                    }
                    _ => Err(Reply::not_found("")),
                }
            }
            _ => Err(Reply::not_found("")),
        }
    }
}
