//! The recordings, read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::dispatch::Asked;

/// One exchange with a real region.
#[derive(Clone, Debug)]
pub struct Recording {
    pub name: String,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub form: Option<Vec<(String, String)>>,
    pub files: Vec<(String, Vec<u8>)>,
    pub encoding: Option<String>,
    pub body: Option<String>,
    pub sent_headers: Vec<(String, String)>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub answer: Vec<u8>,
    pub json: Option<Value>,
}

impl Recording {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Whether it is beside the API: the metadata service, which machines talk to with keys of their own, and pages.
    pub fn is_beside_the_api(&self) -> bool {
        !self.path.starts_with("/MAAS/api/2.0/") || self.name == "024_double_slash"
    }

    /// Whether a typed call would say it in another way: an operation in the path or twice, parameters of a
    /// change in its query, a body where none belongs. It is said by the raw call then.
    pub fn says_what_no_typed_call_does(&self) -> bool {
        matches!(
            self.name.get(..3),
            Some("013" | "014" | "015" | "540" | "541" | "542" | "708" | "709" | "710")
        ) || matches!(self.method.as_str(), "HEAD" | "OPTIONS" | "PATCH")
            || self.form.is_none() && self.body.is_some()
            || self.is_beside_the_api()
                && !matches!(self.name.get(..3), Some("800" | "801" | "802" | "804"))
    }

    /// The API key that it was signed with; `None` for what was sent without a signature.
    pub fn key(&self) -> Option<String> {
        let sent = oauth(self.sent("Authorization")?);
        let secret = &sent["oauth_signature"];
        let secret = secret.trim_start_matches("%26").trim_start_matches('&');
        Some(format!(
            "{}:{}:{secret}",
            sent["oauth_consumer_key"], sent["oauth_token"]
        ))
    }

    /// A header of the request.
    pub fn sent(&self, name: &str) -> Option<&str> {
        self.sent_headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn asked(&self) -> Asked {
        let rest = self.path.trim_start_matches("/MAAS/api/2.0/");
        let form: Vec<(String, String)> = self.form.clone().unwrap_or_default();
        let op = self
            .query
            .iter()
            .chain(&form)
            .find(|(n, _)| n == "op")
            .map(|(_, v)| v.clone());
        let without =
            |pairs: &[(String, String)]| pairs.iter().filter(|(n, _)| n != "op").cloned().collect();
        Asked {
            method: self.method.clone(),
            segments: rest
                .split('/')
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
            op,
            query: without(&self.query),
            form: without(&form),
            files: self.files.clone(),
        }
    }
}

/// The parameters of an OAuth header, whatever stands between them.
pub fn oauth(header: &str) -> BTreeMap<String, String> {
    header
        .trim_start_matches("OAuth ")
        .split(',')
        .filter_map(|p| p.trim().split_once('='))
        .map(|(n, v)| (n.to_owned(), v.trim_matches('"').to_owned()))
        .collect()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    match value {
        Value::Array(items) => items.iter().map(|p| (text(&p[0]), text(&p[1]))).collect(),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
        _ => Vec::new(),
    }
}

/// Every recording, by name.
pub fn all() -> Vec<Recording> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/recordings");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            read(
                &std::fs::read_to_string(path).unwrap(),
                path.file_stem().unwrap().to_str().unwrap(),
            )
        })
        .collect()
}

fn read(text: &str, name: &str) -> Recording {
    let whole: Value = serde_json::from_str(text).unwrap();
    let (request, response) = (&whole["request"], &whole["response"]);
    let answer = match (&response["text"], &response["json"]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Object(o), _) => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD
                .decode(o["base64"].as_str().unwrap())
                .unwrap()
        }
        (Value::String(text), _) if !text.is_empty() => text.clone().into_bytes(),
        // `null` is an answer too.
        (_, json) => json.to_string().into_bytes(),
    };
    let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
    let mut form = (!request["form"].is_null()).then(|| pairs(&request["form"]));
    let mut files = Vec::new();
    // Which parts of a multipart body were files stands in the body alone.
    if let (Some(body), Some(form)) = (request["body"].as_str(), form.as_mut()) {
        for part in body
            .split("Content-Disposition: form-data; name=\"")
            .skip(1)
        {
            if let Some((head, value)) = part.split_once("\r\n\r\n").or(part.split_once("\n\n"))
                && head.contains("filename=")
            {
                let field = head.split('"').next().unwrap().to_owned();
                let value = value
                    .rsplit_once("\r\n--")
                    .or(value.rsplit_once("\n--"))
                    .map_or(value, |v| v.0);
                form.retain(|(n, _)| *n != field);
                files.push((field, value.as_bytes().to_vec()));
            }
        }
    }
    Recording {
        name: name.to_owned(),
        method: request["method"].as_str().unwrap().to_owned(),
        path: request["path"].as_str().unwrap().to_owned(),
        query: pairs(&request["query"]),
        form,
        files,
        encoding: request["encoding"].as_str().map(str::to_owned),
        sent_headers: pairs(&request["headers"]),
        body: request["body"].as_str().map(str::to_owned),
        status,
        headers: pairs(&response["headers"]),
        answer: if status == 204 { Vec::new() } else { answer },
        json: Some(response["json"].clone()).filter(|j| !j.is_null()),
    }
}
