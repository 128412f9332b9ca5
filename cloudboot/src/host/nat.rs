//! Address translation for the machines' network: one nftables table of our own.
//!
//! Facts: one JSON transaction on standard input (add, delete, add) is atomic and idempotent; an interface is matched
//! by name (`oifname`), as an index breaks when the link is made anew; `nftables.service` stays off, its stock file
//! flushes every other table.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{Error, Kind, Result};
use super::exec::{Cmd, Exec};
use super::files::{Files, marked_by, owner_mark};
use super::units::Units;

/// Our table's name, in the family `ip`.
const TABLE: &str = "cloudboot";
/// The ruleset that our unit loads at boot.
const RULESET: &str = "/etc/cloudboot/nat.json";
/// Our unit.
const UNIT: &str = "cloudboot-nat.service";
const UNIT_FILE: &str = "/etc/systemd/system/cloudboot-nat.service";

/// What is translated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatSpec {
    /// The machines' network: what comes from it and leaves it is translated.
    pub source: Ipv4Net,
    /// The interface towards the Internet.
    pub out_interface: String,
    /// The address to translate to; the interface's own (masquerade) without one.
    pub to: Option<Ipv4Addr>,
}

/// What stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatState {
    /// What the kernel's table of ours says; `None` if there is no such table or it holds something else.
    pub live: Option<NatSpec>,
    /// The table exists, whatever it holds.
    pub table: bool,
    /// The ruleset and the unit that loads it at boot are written and enabled for exactly that.
    pub persisted: Option<NatSpec>,
    /// Whose mark the unit or the live rule carries.
    pub mark: Option<String>,
}

impl NatState {
    /// It translates what `spec` says, now and after the next boot.
    pub fn satisfies(&self, spec: &NatSpec) -> bool {
        self.live.as_ref() == Some(spec) && self.persisted.as_ref() == Some(spec)
    }
}

/// Address translation.
#[derive(Clone, Debug)]
pub struct Nat {
    exec: Arc<dyn Exec>,
    files: Files,
    units: Arc<dyn Units>,
}

impl Nat {
    /// Through `nft`, files and systemd.
    pub fn new(exec: Arc<dyn Exec>, files: Files, units: Arc<dyn Units>) -> Self {
        Self { exec, files, units }
    }

    /// What stands.
    pub async fn observe(&self) -> Result<NatState> {
        let (table, listing) = self.list().await?;
        let (live, live_mark) = parse(&listing);
        let unit = self.files.read_text(UNIT_FILE).await?.unwrap_or_default();
        let stored = self
            .files
            .read_text(RULESET)
            .await?
            .and_then(|t| serde_json::from_str(&t).ok());
        let enabled = stored.is_some() && !unit.is_empty() && self.units.state(UNIT).await?.enabled;
        let persisted = stored.filter(|_| enabled).and_then(|value| parse(&value).0);
        Ok(NatState {
            live,
            table,
            persisted,
            mark: marked_by(&unit).map(str::to_owned).or(live_mark),
        })
    }

    /// Makes it so, now and at every boot. Twice is as once; other tables are not touched.
    pub async fn apply(&self, spec: &NatSpec, deployment: &str) -> Result<()> {
        let rules = ruleset(spec, deployment);
        // The kernel's judgement first: what it refuses is not kept for the next boot.
        self.transact(
            &format!("translate {} behind {}", spec.source, spec.out_interface),
            &rules,
        )
        .await?;
        self.files.mkdir("/etc/cloudboot", 0o755).await?;
        self.files
            .write(RULESET, format!("{rules:#}\n"), Some(0o644))
            .await?;
        self.files
            .write(UNIT_FILE, unit_file(deployment), Some(0o644))
            .await?;
        self.units.daemon_reload().await?;
        self.units.enable(UNIT).await
    }

    /// Takes our table, unit and ruleset away, and nothing else. That they are not there is no error.
    pub async fn remove(&self) -> Result<()> {
        if self.files.exists(UNIT_FILE).await? {
            self.units.stop(UNIT).await?;
            self.units.disable(UNIT).await?;
            self.files.remove(UNIT_FILE).await?;
            self.units.daemon_reload().await?;
        }
        if self.list().await?.0 {
            self.transact(
                "remove our address translation",
                &json!({"nftables": [{"delete": table()}]}),
            )
            .await?;
        }
        self.files.remove(RULESET).await.map(drop)
    }

    async fn transact(&self, operation: &str, rules: &Value) -> Result<()> {
        let cmd = Cmd::new("nft")
            .args(["-j", "-f", "-"])
            .stdin(rules.to_string())
            .timeout(Duration::from_secs(20));
        self.exec.run(cmd).await?.check(operation).map(drop)
    }

    /// Whether our table is there, and what it holds.
    async fn list(&self) -> Result<(bool, Value)> {
        let operation = "list our table of nftables";
        let cmd = Cmd::new("nft")
            .args(["-j", "list", "table", "ip", TABLE])
            .timeout(Duration::from_secs(20));
        let output = self.exec.run(cmd).await?;
        if !output.success()
            && String::from_utf8_lossy(&output.stderr).contains("No such file or directory")
        {
            return Ok((false, Value::Null));
        }
        let text = output.check(operation)?.stdout_text();
        let value = serde_json::from_str(&text)
            .map_err(|e| Error::new(Kind::Malformed, operation, e.to_string()))?;
        Ok((true, value))
    }
}

fn table() -> Value {
    json!({"table": {"family": "ip", "name": TABLE}})
}

/// One transaction: our table as it should be, whatever it was.
fn ruleset(spec: &NatSpec, deployment: &str) -> Value {
    let net = json!({"prefix": {"addr": spec.source.network(), "len": spec.source.prefix_len()}});
    let ip = |field: &str| json!({"payload": {"protocol": "ip", "field": field}});
    let translate = match spec.to {
        Some(address) => json!({"snat": {"addr": address}}),
        None => json!({"masquerade": null}),
    };
    // nftables takes at most 128 bytes of comment.
    let comment: String = owner_mark(deployment)
        .trim_start_matches("# ")
        .chars()
        .take(100)
        .collect();
    json!({"nftables": [
        {"add": table()},
        {"delete": table()},
        {"add": table()},
        {"add": {"chain": {"family": "ip", "table": TABLE, "name": "postrouting", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}}},
        {"add": {"rule": {"family": "ip", "table": TABLE, "chain": "postrouting", "comment": comment, "expr": [
            {"match": {"op": "==", "left": ip("saddr"), "right": net}},
            {"match": {"op": "!=", "left": ip("daddr"), "right": net}},
            {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": spec.out_interface}},
            translate,
        ]}}},
    ]})
}

/// What a ruleset of ours, or nft's listing of one, translates, and the mark of its rule. `None` unless it is exactly our one rule.
fn parse(listing: &Value) -> (Option<NatSpec>, Option<String>) {
    let items = listing
        .get("nftables")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rules: Vec<&Value> = items
        .iter()
        .filter_map(|i| i.pointer("/rule").or_else(|| i.pointer("/add/rule")))
        .collect();
    let [rule] = rules.as_slice() else {
        return (None, None);
    };
    let mark = rule
        .get("comment")
        .and_then(Value::as_str)
        .and_then(|c| c.strip_prefix("managed by cloudboot: "))
        .map(str::to_owned);
    (parse_rule(rule.get("expr")), mark)
}

fn parse_rule(expr: Option<&Value>) -> Option<NatSpec> {
    let [from, not_to, out, translate] = expr?.as_array()?.as_slice() else {
        return None;
    };
    let (source, guard) = (
        network(from, "==", "saddr")?,
        network(not_to, "!=", "daddr")?,
    );
    let out = out.get("match")?;
    let by_name = out.get("op")? == "==" && out.pointer("/left/meta/key")? == "oifname";
    let to = match (translate.get("snat"), translate.get("masquerade")) {
        (Some(snat), None) => Some(snat.get("addr")?.as_str()?.parse().ok()?),
        (None, Some(_)) => None,
        _ => return None,
    };
    (source == guard && by_name).then_some(NatSpec {
        source,
        out_interface: out.get("right")?.as_str()?.to_owned(),
        to,
    })
}

fn network(expression: &Value, op: &str, field: &str) -> Option<Ipv4Net> {
    let m = expression.get("match")?;
    if m.get("op")? != op || m.pointer("/left/payload/field")? != field {
        return None;
    }
    let right = m.get("right")?;
    // nft lists a network of one address as the address.
    if let Some(address) = right.as_str() {
        return Ipv4Net::new(address.parse().ok()?, 32).ok();
    }
    let prefix = right.get("prefix")?;
    let len = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
    Ipv4Net::new(prefix.get("addr")?.as_str()?.parse().ok()?, len).ok()
}

fn unit_file(deployment: &str) -> String {
    format!(
        "{}\n\
        [Unit]\n\
        Description=Address translation of the machines' network\n\
        # A ruleset that flushes everything must not come after ours.\n\
        After=nftables.service ufw.service\n\
        \n\
        [Service]\n\
        Type=oneshot\n\
        RemainAfterExit=yes\n\
        ExecStart=/usr/sbin/nft -j -f {RULESET}\n\
        ExecStop=-/usr/sbin/nft delete table ip {TABLE}\n\
        \n\
        [Install]\n\
        WantedBy=multi-user.target\n",
        owner_mark(deployment)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for to in [None, Some(Ipv4Addr::new(192, 0, 2, 1))] {
            for source in ["10.42.0.0/16", "10.0.0.7/32"] {
                let spec = NatSpec {
                    source: source.parse().unwrap(),
                    out_interface: "eno2".into(),
                    to,
                };
                assert_eq!(
                    parse(&ruleset(&spec, "cloud-a")),
                    (Some(spec), Some("cloud-a".into()))
                );
            }
        }
    }

    #[test]
    fn a_listing_of_nft_reads_back() {
        // As nft 1.0.6 listed it.
        let listing = r#"{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, {"table": {"family": "ip", "name": "cloudboot", "handle": 2}}, {"chain": {"family": "ip", "table": "cloudboot", "name": "postrouting", "handle": 1, "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}}, {"rule": {"family": "ip", "table": "cloudboot", "chain": "postrouting", "handle": 2, "comment": "managed by cloudboot: x", "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.42.0.0", "len": 16}}}}, {"match": {"op": "!=", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"prefix": {"addr": "10.42.0.0", "len": 16}}}}, {"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "eno2"}}, {"snat": {"addr": "192.0.2.1"}}]}}]}"#;
        let (spec, mark) = parse(&serde_json::from_str(listing).unwrap());
        assert_eq!(
            spec.unwrap(),
            NatSpec {
                source: "10.42.0.0/16".parse().unwrap(),
                out_interface: "eno2".into(),
                to: Some(Ipv4Addr::new(192, 0, 2, 1))
            }
        );
        assert_eq!(mark.as_deref(), Some("x"));
        let twice = listing.replace("}}]}", "}}, {\"rule\": {}}]}");
        assert_eq!(parse(&serde_json::from_str(&twice).unwrap()).0, None);
    }
}
