//! Version, users, configuration, keys, tags, zones, pools, domains, events.

use serde_json::{Value, json};

use super::defaults;
use super::render;
use super::reply::{
    Fields, R, Reply, Req, false_conflict, gone, html, invalid, json_bare, json_ok, json_status,
    missing, no_choice, plain, text,
};
use super::state::{Named, SshKey, State, Tag, Token, User};

pub(crate) fn version(s: &State) -> R {
    Ok(Reply { status: 200, content_type: "application/json; charset=utf-8", headers: Vec::new(), body: json!({ "capabilities": defaults::CAPABILITIES, "version": s.version, "subversion": "" }).to_string().into() })
}

pub(crate) fn users(s: &mut State, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => {
            let mut all: Vec<&User> = s.users.iter().collect();
            all.sort_by_key(|u| u.username.to_lowercase());
            Ok(json_ok(&json!(
                all.into_iter().map(render::user).collect::<Vec<_>>()
            )))
        }
        ("GET", Some("whoami")) => s
            .user(&req.user)
            .map(|u| json_ok(&render::user(u)))
            .ok_or_else(|| plain(401, "Forbidden")),
        ("POST", None) => {
            req.admin()?;
            for field in ["username", "email", "password", "is_superuser"] {
                if req.get(field).is_none() {
                    return Err(text(400, format!("No provided {field}!")));
                }
            }
            let name = req.get("username").unwrap_or("").to_owned();
            if s.user(&name).is_some() {
                return Err(false_conflict());
            }
            add_user(
                s,
                &name,
                req.get("email").unwrap_or(""),
                req.get("password").unwrap_or(""),
                req.flag("is_superuser").unwrap_or(false),
            );
            s.user(&name)
                .map(|u| json_ok(&render::user(u)))
                .ok_or_else(|| missing("User"))
        }
        _ => Err(unknown(req)),
    }
}

/// Adds a user; nothing when the name is taken.
pub(crate) fn add_user(s: &mut State, name: &str, email: &str, password: &str, superuser: bool) {
    if s.user(name).is_none() {
        s.users.push(User {
            username: name.into(),
            email: email.into(),
            password: password.into(),
            superuser,
            internal: false,
        });
        s.count("user");
        s.count(format!("user:{name}"));
    }
}

pub(crate) fn user(s: &mut State, req: &Req, name: &str) -> R {
    let found = s
        .user(name)
        .map(render::user)
        .ok_or_else(|| missing("User"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&found)),
        "DELETE" => {
            req.admin()?;
            s.users.retain(|u| u.username != name);
            s.tokens.retain(|t| t.user != name);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

/// Makes a token for a user, or gives the one that this consumer has.
pub(crate) fn token(s: &mut State, user: &str, name: &str, reuse: bool) -> Token {
    if reuse && let Some(t) = s.tokens.iter().find(|t| t.user == user && t.name == name) {
        return t.clone();
    }
    let t = Token {
        consumer: s.random_text(18),
        token: s.random_text(18),
        secret: s.random_text(32),
        name: name.into(),
        user: user.into(),
    };
    s.tokens.push(t.clone());
    s.count("token");
    t
}

pub(crate) fn account(s: &mut State, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("POST", Some("create_authorisation_token")) => {
            let t = token(
                s,
                &req.user,
                req.get("name").unwrap_or("MAAS consumer"),
                false,
            );
            Ok(json_ok(
                &json!({ "token_key": t.token, "token_secret": t.secret, "consumer_key": t.consumer, "name": t.name }),
            ))
        }
        ("GET", Some("list_authorisation_tokens")) => {
            let list: Vec<Value> = s
                .tokens
                .iter()
                .filter(|t| t.user == req.user)
                .map(|t| json!({ "name": t.name, "token": format!("{}:{}:{}", t.consumer, t.token, t.secret) }))
                .collect();
            Ok(json_ok(&json!(list)))
        }
        ("POST", Some("update_token_name")) => {
            let key = req.get("token").unwrap_or("").to_owned();
            let name = req.get("name").unwrap_or("").to_owned();
            let token = s
                .tokens
                .iter_mut()
                .find(|t| t.user == req.user && t.token == key)
                .ok_or_else(|| missing("Token"))?;
            token.name = name;
            Ok(plain(202, "Accepted"))
        }
        ("POST", Some("delete_authorisation_token")) => {
            let key = req
                .get("token_key")
                .ok_or_else(|| text(400, "No provided token_key!"))?;
            s.tokens.retain(|t| !(t.user == req.user && t.token == key));
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

fn ssh_key_json(k: &SshKey) -> Value {
    json!({ "key": k.key, "keysource": null, "id": k.id })
}

/// A read key has its address, a new one has not: so it was recorded.
fn listed_key_json(k: &SshKey) -> Value {
    json!({ "key": k.key, "id": k.id, "keysource": "", "resource_uri": format!("/MAAS/api/2.0/account/prefs/sshkeys/{}/", k.id) })
}

pub(crate) fn ssh_keys(s: &mut State, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&json!(
            s.ssh_keys
                .iter()
                .filter(|k| k.user == req.user)
                .map(listed_key_json)
                .collect::<Vec<_>>()
        ))),
        ("POST", None) => {
            let key = req
                .filled("key")
                .ok_or_else(|| invalid("key", "This field is required."))?
                .trim()
                .to_owned();
            const KINDS: [&str; 6] = [
                "ecdsa-sha2-nistp256",
                "ecdsa-sha2-nistp384",
                "ecdsa-sha2-nistp521",
                "ssh-dss",
                "ssh-ed25519",
                "ssh-rsa",
            ];
            let mut words = key.split_whitespace();
            let kind = words.next().unwrap_or("");
            if !KINDS.contains(&kind) || words.next().is_none_or(|k| k.len() < 16) {
                let what = format!(
                    "Invalid SSH public key: Key type {kind} not recognised; it should be one of: {}",
                    KINDS.join(" ")
                );
                return Err(invalid("key", what));
            }
            if s.ssh_keys
                .iter()
                .any(|k| k.user == req.user && k.key == key)
            {
                return Err(invalid(
                    "__all__",
                    "This key has already been added for this user.",
                ));
            }
            let id = s.next_id("sshkey");
            let key = SshKey {
                id,
                user: req.user.clone(),
                key,
            };
            s.ssh_keys.push(key.clone());
            s.count("sshkey");
            Ok(json_status(201, &ssh_key_json(&key)))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn ssh_key(s: &mut State, req: &Req, id: &str) -> R {
    let key = s
        .ssh_keys
        .iter()
        .find(|k| k.id.to_string() == id && k.user == req.user)
        .cloned()
        .ok_or_else(|| missing("SSHKey"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&listed_key_json(&key))),
        "DELETE" => {
            s.ssh_keys.retain(|k| k.id != key.id);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn config(s: &mut State, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", Some("get_config")) => {
            let name = req
                .arg("name")
                .ok_or_else(|| text(400, "No provided name!"))?;
            match s.config.get(name) {
                Some(value) => Ok(json_bare(200, value)),
                None => Err(json_bare(
                    400,
                    &json!({ name: [format!("{name} is not a valid config setting (valid settings are: {}).", names(s))] }),
                )),
            }
        }
        ("POST", Some("set_config")) => {
            req.admin()?;
            let name = req
                .get("name")
                .ok_or_else(|| text(400, "No provided name!"))?
                .to_owned();
            let given = req.get("value").unwrap_or("").to_owned();
            let Some(old) = s.config.get(&name).cloned() else {
                return Err(json_bare(
                    400,
                    &json!({ &name: [format!("{name} is not a valid config setting (valid settings are: {}).", names(s))] }),
                ));
            };
            if name == "default_storage_layout"
                && !["bcache", "blank", "custom", "flat", "lvm", "vmfs6", "vmfs7"]
                    .contains(&given.as_str())
            {
                return Err(no_choice(&name, &given));
            }
            if name.ends_with("_distro_series") {
                let known = s.releases();
                if !known.contains(&given) {
                    let list: Vec<String> = known.iter().map(|r| format!("'{r}'")).collect();
                    return Err(invalid(
                        &name,
                        format!(
                            "'{given}' is not a valid release.  It should be one of: {}.",
                            list.join(", ")
                        ),
                    ));
                }
            }
            let value = match old {
                Value::Bool(_) => json!(!given.eq_ignore_ascii_case("false") && !given.is_empty()),
                Value::Number(_) => given
                    .parse::<i64>()
                    .map(Value::from)
                    .map_err(|_| invalid(&name, "Enter a whole number."))?,
                _ if given.is_empty() && old.is_null() => Value::Null,
                _ => json!(given),
            };
            s.config.insert(name, value);
            Ok(plain(200, "OK"))
        }
        _ => Err(unknown(req)),
    }
}

fn names(s: &State) -> String {
    s.config.keys().cloned().collect::<Vec<_>>().join(", ")
}

pub(crate) fn valid_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b' '))
        && !name.contains(' ')
}

pub(crate) fn tags(s: &mut State, req: &Req) -> R {
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&json!(
            s.tags.iter().map(render::tag).collect::<Vec<_>>()
        ))),
        ("POST", None) => {
            if !req.superuser {
                return Err(text(403, ""));
            }
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if !valid_name(&name) {
                return Err(invalid("name", "Enter a valid value."));
            }
            if s.tags.iter().any(|t| t.name == name) {
                return Err(invalid("name", "Tag with this Name already exists."));
            }
            let definition = req.get("definition").unwrap_or("").to_owned();
            if definition.matches('[').count() != definition.matches(']').count() {
                return Err(invalid(
                    "definition",
                    "Invalid xpath expression: Invalid expression",
                ));
            }
            let tag = Tag {
                name,
                definition,
                comment: req.get("comment").unwrap_or("").to_owned(),
                kernel_opts: req.get("kernel_opts").unwrap_or("").to_owned(),
            };
            s.tags.push(tag.clone());
            s.count("tag");
            s.count(format!("tag:{}", tag.name));
            Ok(json_ok(&render::tag(&tag)))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn tag(s: &mut State, req: &Req, name: &str) -> R {
    let at = s
        .tags
        .iter()
        .position(|t| t.name == name)
        .ok_or_else(|| missing("Tag"))?;
    match (req.method.as_str(), req.op.as_deref()) {
        ("GET", None) => Ok(json_ok(&render::tag(&s.tags[at]))),
        ("GET", Some("machines" | "nodes")) => Ok(json_ok(&json!(
            s.machines
                .iter()
                .filter(|m| m.tags.contains(name))
                .map(|m| render::machine(s, m))
                .collect::<Vec<_>>()
        ))),
        ("GET", Some("rack_controllers" | "region_controllers")) => {
            Ok(json_ok(&if name == "virtual" {
                json!([render::controller(s, "rackcontrollers")])
            } else {
                json!([])
            }))
        }
        ("GET", Some("devices")) => Ok(json_ok(&json!([]))),
        ("PUT", None) => {
            req.admin()?;
            let tag = &mut s.tags[at];
            for (field, slot) in [
                ("comment", &mut tag.comment),
                ("definition", &mut tag.definition),
                ("kernel_opts", &mut tag.kernel_opts),
            ] {
                if let Some(value) = req.get(field) {
                    value.clone_into(slot);
                }
            }
            let tag = tag.clone();
            Ok(json_ok(&render::tag(&tag)))
        }
        ("DELETE", None) => {
            req.admin()?;
            s.tags.remove(at);
            for m in &mut s.machines {
                m.tags.remove(name);
            }
            Ok(gone())
        }
        ("POST", Some("rebuild")) => Ok(json_ok(&json!({ "rebuilding": name }))),
        ("POST", Some("update_nodes")) => {
            let mut added = 0;
            let mut removed = 0;
            let (add, remove) = (req.all("add"), req.all("remove"));
            for m in &mut s.machines {
                if add.contains(&m.system_id.as_str()) {
                    added += 1;
                    m.tags.insert(name.to_owned());
                }
                if remove.contains(&m.system_id.as_str()) && m.tags.remove(name) {
                    removed += 1;
                }
            }
            Ok(json_ok(&json!({ "added": added, "removed": removed })))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn zones(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.zones.iter().map(render::zone).collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if s.zones.iter().any(|z| z.name == name) {
                return Err(invalid(
                    "name",
                    "Physical zone with this Name already exists.",
                ));
            }
            s.reserve_id("zone", 1);
            let zone = Named {
                id: s.next_id("zone"),
                name,
                description: req.get("description").unwrap_or("").to_owned(),
            };
            s.zones.push(zone.clone());
            s.count("zone");
            Ok(json_ok(&render::zone(&zone)))
        }
        _ => Err(unknown(req)),
    }
}

fn rename(named: &mut Named, req: &Req) {
    if let Some(name) = req.filled("name") {
        name.clone_into(&mut named.name);
    }
    if let Some(description) = req.get("description") {
        description.clone_into(&mut named.description);
    }
}

pub(crate) fn zone(s: &mut State, req: &Req, name: &str) -> R {
    let at = s
        .zones
        .iter()
        .position(|z| z.name == name)
        .ok_or_else(|| missing("Zone"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::zone(&s.zones[at]))),
        "PUT" => {
            req.admin()?;
            rename(&mut s.zones[at], req);
            Ok(json_ok(&render::zone(&s.zones[at])))
        }
        "DELETE" => {
            req.admin()?;
            if s.zones[at].id == 1 {
                return Err(text(
                    400,
                    "This zone is the default zone, it cannot be deleted.",
                ));
            }
            s.zones.remove(at);
            for m in s.machines.iter_mut().filter(|m| m.zone == name) {
                m.zone = "default".into();
            }
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn pools(s: &mut State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.pools.iter().map(render::pool).collect::<Vec<_>>()
        ))),
        "POST" => {
            req.admin()?;
            let name = req
                .filled("name")
                .ok_or_else(|| invalid("name", "This field is required."))?
                .to_owned();
            if s.pools.iter().any(|p| p.name == name) {
                return Err(invalid(
                    "name",
                    "Resource pool with this Name already exists.",
                ));
            }
            let pool = Named {
                id: s.next_id("pool"),
                name,
                description: req.get("description").unwrap_or("").to_owned(),
            };
            s.pools.push(pool.clone());
            s.count("pool");
            Ok(json_ok(&render::pool(&pool)))
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn pool(s: &mut State, req: &Req, id: &str) -> R {
    let at = s
        .pools
        .iter()
        .position(|p| p.id.to_string() == id)
        .ok_or_else(|| missing("ResourcePool"))?;
    match req.method.as_str() {
        "GET" => Ok(json_ok(&render::pool(&s.pools[at]))),
        "PUT" => {
            req.admin()?;
            rename(&mut s.pools[at], req);
            Ok(json_ok(&render::pool(&s.pools[at])))
        }
        "DELETE" => {
            req.admin()?;
            let id = s.pools[at].id;
            if id == 0 {
                return Err(text(400, "This is the default pool, it cannot be deleted."));
            }
            if s.machines.iter().any(|m| m.pool == id) {
                return Err(text(400, "Pool has machines in it, it cannot be deleted."));
            }
            s.pools.remove(at);
            Ok(gone())
        }
        _ => Err(unknown(req)),
    }
}

pub(crate) fn domains(s: &State, req: &Req) -> R {
    match req.method.as_str() {
        "GET" => Ok(json_ok(&json!(
            s.domains
                .iter()
                .map(|d| render::domain(s, d))
                .collect::<Vec<_>>()
        ))),
        _ => Err(unknown(req)),
    }
}

pub(crate) fn events(s: &State, req: &Req) -> R {
    const LEVELS: [&str; 6] = ["AUDIT", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    if req.op.as_deref() != Some("query") || req.method != "GET" {
        return Err(unknown(req));
    }
    let level = req.arg("level").unwrap_or("INFO");
    let least = LEVELS
        .iter()
        .position(|l| *l == level)
        .ok_or_else(|| text(400, format!("Unrecognised log level: {level}")))?;
    let limit: usize = req.arg("limit").and_then(|l| l.parse().ok()).unwrap_or(100);
    if limit > 1000 {
        return Err(text(
            400,
            format!("Requested number of events {limit} is greater than limit: 1000"),
        ));
    }
    let after: Option<i64> = req.arg("after").and_then(|v| v.parse().ok());
    let before: Option<i64> = req.arg("before").and_then(|v| v.parse().ok());
    let (ids, hosts, macs) = (
        req.args("id"),
        req.args("hostname"),
        req.args("mac_address"),
    );
    let fits = |e: &&super::state::Event| {
        (ids.is_empty() || ids.contains(&e.node.as_str()))
            && (hosts.is_empty() || hosts.contains(&e.hostname.as_str()))
            && (macs.is_empty()
                || s.machine(&e.node)
                    .is_some_and(|m| m.interfaces.iter().any(|i| macs.contains(&i.mac.as_str()))))
            && LEVELS
                .iter()
                .position(|l| *l == e.level)
                .is_some_and(|l| l >= least)
            && after.is_none_or(|a| e.id > a)
            && before.is_none_or(|b| e.id < b)
    };
    let mut found: Vec<&super::state::Event> = if after.is_some() {
        let mut first: Vec<_> = s.events.iter().filter(fits).take(limit).collect();
        first.reverse();
        first
    } else {
        s.events.iter().rev().filter(fits).take(limit).collect()
    };
    found.sort_by_key(|e| std::cmp::Reverse(e.id));
    let mut base = String::from("/MAAS/api/2.0/events/?op=query");
    for (name, value) in req
        .query
        .iter()
        .filter(|(n, _)| !matches!(n.as_str(), "op" | "after" | "before"))
    {
        base.push_str(&format!("&{name}={value}"));
    }
    let (newest, oldest) = (
        found.first().map_or(0, |e| e.id),
        found.last().map_or(0, |e| e.id),
    );
    let list: Vec<Value> = found
        .iter()
        .map(|e| {
            json!({
                "username": e.username, "node": e.node, "hostname": e.hostname, "id": e.id, "level": e.level,
                "created": render::short_time(s, e.at), "type": e.kind, "description": e.description,
            })
        })
        .collect();
    Ok(json_ok(
        &json!({ "count": list.len(), "events": list, "next_uri": format!("{base}&after={newest}"), "prev_uri": format!("{base}&before={oldest}") }),
    ))
}

/// What MAAS says of an operation that it does not have, or a method that a resource does not take.
pub(crate) fn unknown(req: &Req) -> Reply {
    let allow: &[&str] = match req.segments.len() {
        1 => &["GET", "POST"],
        _ => &["PUT", "DELETE", "GET", "POST"],
    };
    if req.op.is_none() && !allow.contains(&req.method.as_str()) {
        let mut reply = html(405, "");
        reply.headers.push(("Allow", allow.join(", ")));
        return reply;
    }
    text(
        400,
        format!(
            "Unrecognised signature: method={} op={}",
            req.method,
            req.op.as_deref().unwrap_or("None")
        ),
    )
}

/// Field errors of required fields.
pub(crate) fn require(req: &Req, fields: &[&str]) -> Result<(), Reply> {
    let mut errors = Fields::default();
    for field in fields {
        errors.required(req, field);
    }
    errors.check()
}
