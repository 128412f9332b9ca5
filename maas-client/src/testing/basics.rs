//! Version, users, configuration, keys, tags, zones, pools, domains, events.

mod groups;

use serde_json::{Value, json};

use super::defaults;
use super::render;
use super::reply::{
    Fields, R, Reply, Req, false_conflict, gone, html, invalid, json_bare, json_ok, json_status,
    missing, no_choice, plain, text,
};
use super::state::{Named, SshKey, State, Tag, Token, User};

pub(crate) use groups::*;

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
