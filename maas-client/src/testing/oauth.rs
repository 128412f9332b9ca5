//! The check of a request's signature, with MAAS's words.

use std::time::{SystemTime, UNIX_EPOCH};

use super::reply::{Reply, html};
use super::state::State;

/// The user of a signed request; `None` for one without a signature.
pub(crate) fn check(s: &mut State, header: Option<&str>) -> Result<Option<(String, bool)>, Reply> {
    let Some(params) = header.and_then(|h| h.strip_prefix("OAuth")) else {
        return Ok(None);
    };
    let get = |name: &str| {
        params.split(',').find_map(|p| {
            let (key, value) = p.trim().split_once('=')?;
            (key == name).then(|| unescape(value.trim_matches('"')))
        })
    };
    let (Some(consumer), Some(token), Some(signature)) = (
        get("oauth_consumer_key"),
        get("oauth_token"),
        get("oauth_signature"),
    ) else {
        return Err(refused("'Missing OAuth parameters'"));
    };
    let Some(known) = s.tokens.iter().find(|t| t.consumer == consumer).cloned() else {
        return Err(refused("Invalid API key."));
    };
    if known.token != token {
        return Err(refused(&format!("'Invalid access token: {token}'")));
    }
    // The real one echoes the secret here, and so must its stand-in.
    if signature != format!("&{}", known.secret) {
        return Err(refused(&format!(
            "'Invalid signature. Expected signature base string: &{}'",
            known.secret
        )));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let given: u64 = get("oauth_timestamp")
        .and_then(|t| t.parse().ok())
        .unwrap_or(0);
    if now.abs_diff(given) > 300 {
        return Err(refused(&format!(
            "'Expired timestamp: given {given} and now {now} has a greater difference than threshold 300'"
        )));
    }
    let nonce = get("oauth_nonce").unwrap_or_default();
    if s.nonces.contains(&nonce) {
        return Err(refused(&format!("'Nonce already used: {nonce}'")));
    }
    s.nonces.push_back(nonce);
    if s.nonces.len() > 512 {
        s.nonces.pop_front();
    }
    let superuser = s.user(&known.user).is_some_and(|u| u.superuser);
    Ok(Some((known.user, superuser)))
}

fn refused(why: &str) -> Reply {
    let mut reply = html(401, format!("Authorization Error: {why}"));
    reply
        .headers
        .push(("WWW-Authenticate", "OAuth realm=\"OAuth\"".into()));
    reply
}

fn unescape(text: &str) -> String {
    url::form_urlencoded::parse(
        format!("x={}", text.replace('+', "%2B").replace('&', "%26")).as_bytes(),
    )
    .next()
    .map_or_else(String::new, |(_, v)| v.into_owned())
}
