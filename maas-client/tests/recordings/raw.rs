//! The raw call for a recorded request that no typed call says: spellings and fields that a typed call
//! rules out, operations that MAAS does not have, and what is beside the API.

use maas_client::*;

use super::load::Recording;

/// The raw call; `None` when the client cannot be brought to send this.
pub fn call(client: &Client, r: &Recording) -> Option<Call> {
    let method = r.method.parse().ok()?;
    let mut call = if r.is_beside_the_api() {
        client.raw_at_base(method, r.path.strip_prefix("/MAAS/")?)
    } else {
        client.raw(method, r.path.strip_prefix("/MAAS/api/2.0/")?)
    };
    for (name, value) in &r.query {
        call = call.query(name, value);
    }
    match (&r.form, &r.body, content_type(r)) {
        (Some(form), _, _) if r.encoding.as_deref() != Some("json") => {
            for (name, value) in form {
                call = call.form(name, value);
            }
            for (name, content) in &r.files {
                call = call.file(name, content.clone());
            }
        }
        (_, Some(body), Some("application/json")) => {
            call = call.body("application/json", body.clone().into_bytes());
        }
        (_, Some(body), Some("text/plain")) => {
            call = call.body("text/plain", body.clone().into_bytes());
        }
        (_, Some(body), None) => call = call.body("", body.clone().into_bytes()),
        (_, Some(_), _) => return None,
        _ => {}
    }
    Some(call)
}

fn content_type(r: &Recording) -> Option<&str> {
    r.sent_headers
        .iter()
        .find(|(n, _)| n == "Content-Type")
        .map(|(_, v)| v.as_str())
}
