//! What a server is worried about, and what it measures.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::Versioned;
use crate::request::{Request, segment};
use crate::types::Extra;
use crate::{Client, Result};

/// Something that the server is worried about.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Warning {
    /// Its id.
    pub uuid: String,
    /// `new`, `acknowledged`, `resolved`.
    pub status: String,
    /// `low`, `moderate`, `high`.
    pub severity: String,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often it was seen.
    pub count: u64,
    /// What happened last.
    pub last_message: String,
    /// What it is about, as a path; empty if it is the server.
    pub entity_url: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One value of [`Client::metrics`]: `lxd_cpu_seconds_total{name="web",cpu="0"} 12.5`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Such as `lxd_memory_Cached_bytes`.
    pub name: String,
    /// Such as `name` (the instance's), `project`, `type`.
    pub labels: std::collections::BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Client {
    /// What the server is worried about.
    ///
    /// # Errors
    /// Missing extension before LXD 4.14.
    pub async fn warnings(&self) -> Result<Vec<Warning>> {
        self.require("reading warnings", &["warnings"]).await?;
        let request = Request::get("/1.0/warnings").query("recursion", "1");
        self.collect(request).await
    }

    /// One of them, with its ETag.
    ///
    /// # Errors
    /// Not found.
    pub async fn warning(&self, uuid: &str) -> Result<Versioned<Warning>> {
        self.get(&path(uuid)).await
    }

    /// Says that somebody has seen a warning: it is no longer `new`.
    ///
    /// # Errors
    /// Not found.
    pub async fn acknowledge_warning(&self, uuid: &str) -> Result<()> {
        let request = Request::put(path(uuid)).json(json!({"status": "acknowledged"}));
        self.change(request).await?.wait().await?;
        Ok(())
    }

    /// Throws a warning away.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_warning(&self, uuid: &str) -> Result<()> {
        self.change(Request::delete(path(uuid)))
            .await?
            .wait()
            .await?;
        Ok(())
    }

    /// The running instances' metrics, in Prometheus's text format.
    ///
    /// # Errors
    /// Missing extension before LXD 4.19.
    pub async fn metrics_text(&self) -> Result<String> {
        self.require("reading metrics", &["metrics"]).await?;
        let (_, body) = self.raw(Request::get("/1.0/metrics")).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The running instances' metrics.
    ///
    /// # Errors
    /// As [`Client::metrics_text`].
    pub async fn metrics(&self) -> Result<Vec<Metric>> {
        let text = self.metrics_text().await?;
        Ok(text.lines().filter_map(read_metric).collect())
    }
}

/// A line of the text format; `None` for comments and what is none.
fn read_metric(line: &str) -> Option<Metric> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (head, value) = line.rsplit_once(' ')?;
    let mut metric = Metric {
        value: value.parse().ok()?,
        ..Metric::default()
    };
    let Some((name, labels)) = head.split_once('{') else {
        metric.name = head.to_owned();
        return Some(metric);
    };
    metric.name = name.to_owned();
    // `a="x",b="y, with a comma and a \" in it"}`
    let mut rest = labels;
    while let Some((label, quoted)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut escaped = false;
        let mut end = quoted.len();
        for (at, c) in quoted.char_indices() {
            match c {
                'n' if escaped => text.push('\n'),
                _ if escaped => text.push(c),
                '\\' => {
                    escaped = true;
                    continue;
                }
                '"' => {
                    end = at + 1;
                    break;
                }
                _ => text.push(c),
            }
            escaped = false;
        }
        let label = label.trim_start_matches([',', ' ']).to_owned();
        metric.labels.insert(label, text);
        rest = quoted.get(end..).unwrap_or_default();
    }
    Some(metric)
}

fn path(uuid: &str) -> String {
    format!("/1.0/warnings/{}", segment(uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read() {
        let line = r#"lxd_filesystem_free_bytes{device="/a \"b\", c",name="web"} 1.5e+09"#;
        let metric = read_metric(line).unwrap();
        assert_eq!(metric.name, "lxd_filesystem_free_bytes");
        assert_eq!(metric.labels["device"], r#"/a "b", c"#);
        assert_eq!(metric.labels["name"], "web");
        assert_eq!(metric.value, 1.5e9);
        assert_eq!(read_metric("lxd_uptime 7").unwrap().name, "lxd_uptime");
        for none in ["# HELP x y", "", "x", "x{", "x{a=\"} y"] {
            assert_eq!(read_metric(none), None, "{none}");
        }
    }
}
