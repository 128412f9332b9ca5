//! What the kernel's and nft's tables say, read.

use serde_json::{Value, json};

/// The chains at the forward hook that drop what nobody lets through, by their policy or by a rule without a condition, each with
/// whose it is.
pub(super) fn forward_droppers(listing: &Value) -> Vec<String> {
    let items = listing
        .get("nftables")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let chains: Vec<&Value> = items.iter().filter_map(|i| i.get("chain")).collect();
    let rules: Vec<&Value> = items.iter().filter_map(|i| i.get("rule")).collect();
    let drops_all = |chain: &Value| drops(&rules, chain, 0);
    let owner = |chain: &Value| {
        let beside: Vec<String> = chains
            .iter()
            .filter(|c| {
                ["family", "table"]
                    .iter()
                    .all(|key| text(c, key) == text(chain, key))
            })
            .map(|c| text(c, "name"))
            .collect();
        let mut owners = Vec::new();
        for (name, begin) in [
            ("Docker", "DOCKER"),
            ("ufw", "ufw-"),
            ("ufw", "ufw6-"),
            ("LXD", "fwd.lxd"),
            ("firewalld", "filter_FWD"),
            ("libvirt", "LIBVIRT"),
        ] {
            if text(chain, "table") == name.to_lowercase()
                || beside.iter().any(|c| c.starts_with(begin))
            {
                owners.push(name);
                owners.dedup();
            }
        }
        if owners.is_empty() {
            String::new()
        } else {
            format!(" of {}", owners.join(" and "))
        }
    };
    chains
        .iter()
        .filter(|c| c.get("hook").is_some_and(|h| h == "forward"))
        .filter(|c| c.get("policy").is_some_and(|p| p == "drop") || drops_all(c))
        .map(|c| {
            format!(
                "table {} {}, chain {}{}",
                text(c, "family"),
                text(c, "table"),
                text(c, "name"),
                owner(c)
            )
        })
        .collect()
}

fn text(item: &Value, key: &str) -> String {
    let value = item.get(key).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

/// Whether a chain drops what passes all its conditions: by a rule without one, in it or in a chain that it jumps to without one.
fn drops(rules: &[&Value], chain: &Value, depth: u8) -> bool {
    let (family, table) = (text(chain, "family"), text(chain, "table"));
    rules
        .iter()
        .filter(|rule| text(rule, "family") == family && text(rule, "table") == table)
        .filter(|rule| text(rule, "chain") == text(chain, "name"))
        .filter_map(|rule| rule.get("expr").and_then(Value::as_array))
        .filter(|expr| expr.iter().all(|e| e.get("match").is_none()))
        .flatten()
        .any(|e| {
            let target = e.get("jump").or_else(|| e.get("goto"));
            let target = target.and_then(|to| to.get("target"));
            let into = |name: &Value| {
                let next = json!({"family": family, "table": table, "name": name});
                depth < 8 && drops(rules, &next, depth + 1)
            };
            e.get("drop").is_some() || e.get("reject").is_some() || target.is_some_and(into)
        })
}

/// The ports in state LISTEN of `/proc/net/tcp`, or bound of `/proc/net/udp` (state 07), except those bound to loopback's 127.0.0.0/8.
pub(super) fn listening(table: &str) -> Vec<u16> {
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let (address, port) = fields.next()?.split_once(':')?;
            let state = fields.nth(1)?;
            // The address is in host byte order: 127.x.y.z ends with 7F.
            let loopback = address.len() == 8 && address.ends_with("7F");
            if matches!(state, "0A" | "07") && !loopback {
                u16::from_str_radix(port, 16).ok()
            } else {
                None
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_ports_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n   0: 00000000:1478 00000000:0000 0A 00000000:00000000\n   1: 3500007F:0035 00000000:0000 0A 00000000:00000000\n   2: 0100000A:1479 0200000A:0050 01 00000000:00000000\n";
        assert_eq!(listening(table), [5240]);
    }

    #[test]
    fn who_drops_is_named() {
        let listing = serde_json::json!({"nftables": [
            {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "prio": 0, "policy": "drop"}},
            {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER"}},
            {"chain": {"family": "ip", "table": "filter", "name": "ufw-before-forward"}},
            {"chain": {"family": "inet", "table": "lxd", "name": "fwd.lxdbr0", "hook": "forward", "prio": 0, "policy": "accept"}},
            {"rule": {"family": "inet", "table": "lxd", "chain": "fwd.lxdbr0", "expr": [{"match": {}}, {"drop": null}]}},
            {"chain": {"family": "inet", "table": "mine", "name": "forward", "hook": "forward", "prio": 0, "policy": "accept"}},
            {"rule": {"family": "inet", "table": "mine", "chain": "forward", "expr": [{"counter": {}}, {"reject": null}]}},
            {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "hook": "forward", "prio": 0, "policy": "accept"}},
            {"chain": {"family": "ip6", "table": "filter", "name": "ufw6-reject-forward"}},
            {"rule": {"family": "ip6", "table": "filter", "chain": "FORWARD", "expr": [{"counter": {}}, {"jump": {"target": "ufw6-reject-forward"}}]}},
            {"rule": {"family": "ip6", "table": "filter", "chain": "ufw6-reject-forward", "expr": [{"counter": {}}, {"reject": null}]}},
        ]});
        assert_eq!(
            forward_droppers(&listing),
            [
                "table ip filter, chain FORWARD of Docker and ufw",
                "table inet mine, chain forward",
                "table ip6 filter, chain FORWARD of ufw"
            ]
        );
    }
}
