//! Kernel settings: now in `/proc/sys`, and at every boot in a drop-in file of our own.

use super::error::{Error, Kind, Result};
use super::files::{Files, marked_by, owner_mark};

/// Our drop-in file. It also remembers what each value was before.
const DROP_IN: &str = "/etc/sysctl.d/60-cloudboot.conf";
/// The comment that records a value from before.
const BEFORE: &str = "# before: ";

/// Kernel settings.
#[derive(Clone, Debug)]
pub struct Sysctl {
    files: Files,
}

/// How a setting stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SettingState {
    /// Its value in the kernel.
    pub live: String,
    /// Its value in our drop-in file.
    pub persisted: Option<String>,
    /// Its value before ours, if we changed it.
    pub before: Option<String>,
    /// Whose mark the drop-in file carries.
    pub mark: Option<String>,
}

impl Sysctl {
    /// Through files.
    pub fn new(files: Files) -> Self {
        Self { files }
    }

    /// How a setting ("net.ipv4.ip_forward") stands.
    pub async fn observe(&self, key: &str) -> Result<SettingState> {
        let live = self.live(key).await?;
        let text = self.files.read_text(DROP_IN).await?.unwrap_or_default();
        let (mine, before) = entries(&text)
            .into_iter()
            .find(|e| e.0 == key)
            .map_or((None, None), |e| (Some(e.1), e.2));
        Ok(SettingState {
            live,
            persisted: mine,
            before,
            mark: marked_by(&text).map(str::to_owned),
        })
    }

    /// Sets it, now and at every boot. The value from before is recorded first, and only once.
    pub async fn set(&self, key: &str, value: &str, deployment: &str) -> Result<()> {
        let live = self.live(key).await?;
        let text = self.files.read_text(DROP_IN).await?.unwrap_or_default();
        let mut all = entries(&text);
        match all.iter_mut().find(|e| e.0 == key) {
            Some(entry) => entry.1 = value.to_owned(),
            None => all.push((key.to_owned(), value.to_owned(), Some(live.clone()))),
        }
        let wanted = render(deployment, &all);
        if wanted != text {
            self.files.write(DROP_IN, wanted, Some(0o644)).await?;
        }
        if live != value {
            self.files
                .write_in_place(proc_path(key)?, format!("{value}\n"))
                .await?;
        }
        Ok(())
    }

    /// Gives a setting its value from before back. Does nothing where we never set it.
    pub async fn restore(&self, key: &str) -> Result<()> {
        let Some(text) = self.files.read_text(DROP_IN).await? else {
            return Ok(());
        };
        let mut all = entries(&text);
        let Some(at) = all.iter().position(|e| e.0 == key) else {
            return Ok(());
        };
        let (_, ours, before) = all.remove(at);
        if let Some(before) = before {
            // Somebody else's later change is theirs to keep.
            if self.live(key).await? == ours {
                self.files
                    .write_in_place(proc_path(key)?, format!("{before}\n"))
                    .await?;
            }
        }
        if all.is_empty() {
            self.files.remove(DROP_IN).await.map(drop)
        } else {
            let mark = marked_by(&text).unwrap_or_default().to_owned();
            self.files
                .write(DROP_IN, render(&mark, &all), Some(0o644))
                .await
        }
    }

    async fn live(&self, key: &str) -> Result<String> {
        let bytes = self.files.read(proc_path(key)?).await?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }
}

fn proc_path(key: &str) -> Result<String> {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !key.contains("..");
    if plain {
        Ok(format!("/proc/sys/{}", key.replace('.', "/")))
    } else {
        Err(Error::new(
            Kind::Unsupported,
            format!("set {key}"),
            "this is not the name of a kernel setting",
        ))
    }
}

/// Key, value, and value before, of each setting in the drop-in file.
fn entries(text: &str) -> Vec<(String, String, Option<String>)> {
    let mut found = Vec::new();
    let mut before = None;
    for line in text.lines() {
        if let Some(value) = line.strip_prefix(BEFORE) {
            before = Some(value.trim().to_owned());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            found.push((
                key.trim().to_owned(),
                value.trim().to_owned(),
                before.take(),
            ));
        }
    }
    found
}

fn render(deployment: &str, all: &[(String, String, Option<String>)]) -> String {
    let mut text = owner_mark(deployment);
    text.push('\n');
    for (key, value, before) in all {
        if let Some(before) = before {
            text.push_str(&format!("{BEFORE}{before}\n"));
        }
        text.push_str(&format!("{key} = {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_setting_is_set_once_and_given_back() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::rooted(root.path());
        files
            .write("/proc/sys/net/ipv4/ip_forward", "0\n", None)
            .await
            .unwrap();
        let sysctl = Sysctl::new(files.clone());
        for _ in 0..2 {
            sysctl
                .set("net.ipv4.ip_forward", "1", "cloud-a")
                .await
                .unwrap();
            let state = sysctl.observe("net.ipv4.ip_forward").await.unwrap();
            assert_eq!(
                state,
                SettingState {
                    live: "1".into(),
                    persisted: Some("1".into()),
                    before: Some("0".into()),
                    mark: Some("cloud-a".into())
                }
            );
        }
        sysctl.restore("net.ipv4.ip_forward").await.unwrap();
        assert_eq!(
            sysctl.observe("net.ipv4.ip_forward").await.unwrap().live,
            "0"
        );
        assert!(!files.exists(DROP_IN).await.unwrap());
        assert!(sysctl.set("../../etc/passwd", "1", "x").await.is_err());
    }
}
