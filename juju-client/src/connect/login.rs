//! `Admin.Login` version 3, the only one that Juju has.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::Message;

use super::{Credentials, Endpoint, Options, Socket, dial};
use crate::error::{Error, ErrorKind, Result};
use crate::rpc::{Call, Incoming, Reply, Rpc, RpcError};

/// A facade and the versions that the server has of it.
#[derive(Debug, Clone, Deserialize)]
pub struct FacadeVersions {
    /// `Application`.
    pub name: String,
    /// `[19, 20, 21, 22]`.
    #[serde(default)]
    pub versions: Vec<u32>,
}

/// An address of a controller.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct HostPort {
    #[serde(default)]
    value: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    scope: String,
}

impl HostPort {
    fn address(&self) -> String {
        if self.value.contains(':') {
            format!("[{}]:{}", self.value, self.port)
        } else {
            format!("{}:{}", self.value, self.port)
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct UserInfo {
    identity: String,
    controller_access: String,
    model_access: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Wire {
    servers: Option<Vec<Vec<HostPort>>>,
    model_tag: Option<String>,
    controller_tag: Option<String>,
    user_info: Option<UserInfo>,
    facades: Option<Vec<FacadeVersions>>,
    server_version: Option<String>,
    discharge_required: Option<serde_json::Value>,
    bakery_discharge_required: Option<serde_json::Value>,
    discharge_required_error: Option<String>,
}

/// What a login told.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct LoginResult {
    /// API addresses of all controllers, as they know them.
    pub addresses: Vec<String>,
    /// `model-<uuid>` on a model's connection.
    pub model_tag: Option<String>,
    /// `controller-<uuid>`.
    pub controller_tag: String,
    /// `user-admin`.
    pub user: String,
    /// `superuser` or `login`.
    pub controller_access: String,
    /// `admin`, `write` or `read`, on a model's connection.
    pub model_access: String,
    /// The server's version.
    pub server_version: String,
    /// Facades and their versions on this connection.
    pub facades: BTreeMap<String, Vec<u32>>,
}

/// Dials and logs in, following redirects. Returns the socket, what the login told, and where it ended up.
pub(crate) async fn login(
    endpoint: &Endpoint,
    credentials: &Credentials,
    options: &Options,
) -> Result<(Socket, LoginResult, Endpoint)> {
    let mut at = endpoint.clone();
    for _ in 0..4 {
        let mut socket = dial(&at, options).await?;
        let params = serde_json::json!({
            "auth-tag": format!("user-{}", credentials.user),
            "credentials": credentials.password.expose_secret(),
            "nonce": "",
            "macaroons": null,
            "bakery-version": 3,
            "cli-args": "cloudboot",
            "user-data": "",
            "client-version": CLIENT_VERSION,
        });
        let answer = admin(&mut socket, "Login", params, options).await?;
        match answer {
            Ok(reply) => {
                let wire: Wire = reply
                    .decode()
                    .map_err(|e| Error::new(ErrorKind::Protocol, OPERATION, e))?;
                if wire.discharge_required.is_some()
                    || wire.bakery_discharge_required.is_some()
                    || wire.discharge_required_error.is_some()
                {
                    let why = wire
                        .discharge_required_error
                        .unwrap_or_else(|| "no reason given".to_owned());
                    return Err(Error::new(ErrorKind::Unauthorized, OPERATION, format!("the controller wants a macaroon to be discharged ({why})"))
                        .hint("only logins with user and password are supported: give a local user's password"));
                }
                return Ok((socket, read(wire), at));
            }
            Err(e) if e.code == "redirection required" => {
                at = redirect(&mut socket, e, at, options).await?;
            }
            Err(e) => {
                let err = Error::server(OPERATION, &e.message, &e.code, e.info);
                return Err(match err.kind() {
                    ErrorKind::Unauthorized => {
                        err.hint(format!("check the password of user {:?}", credentials.user))
                    }
                    // A controller behind JIMM knows other logins: by device, by session token.
                    ErrorKind::NotSupported => err.hint("only logins with user and password are supported, and this controller does not take them: use a local user of a plain controller"),
                    _ => err,
                });
            }
        }
    }
    Err(Error::new(
        ErrorKind::Protocol,
        OPERATION,
        "redirected more than three times",
    ))
}

/// A version that all controllers of 3.x and 4.x take; a client newer than the controller by a major would be refused.
const CLIENT_VERSION: &str = "3.6.28";
const OPERATION: &str = "Admin.Login";

async fn redirect(
    socket: &mut Socket,
    e: RpcError,
    at: Endpoint,
    options: &Options,
) -> Result<Endpoint> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Info {
        servers: Vec<Vec<HostPort>>,
        #[serde(default)]
        ca_cert: String,
    }
    let info: Option<Info> = e.info.and_then(|i| serde_json::from_value(i).ok());
    let info = match info {
        Some(i) => i,
        None => match admin(socket, "RedirectInfo", serde_json::json!({}), options).await? {
            Ok(r) => r
                .decode()
                .map_err(|e| Error::new(ErrorKind::Protocol, "Admin.RedirectInfo", e))?,
            Err(e) => {
                return Err(Error::server(
                    "Admin.RedirectInfo",
                    &e.message,
                    &e.code,
                    e.info,
                ));
            }
        },
    };
    let addresses = addresses(&info.servers);
    if addresses.is_empty() {
        return Err(Error::new(
            ErrorKind::Protocol,
            OPERATION,
            "redirected to nowhere: no server is named",
        ));
    }
    Ok(Endpoint {
        addresses,
        ca_cert: if info.ca_cert.is_empty() {
            at.ca_cert
        } else {
            Some(info.ca_cert)
        },
        public_hostname: None,
        model: at.model,
        proxy: at.proxy,
    })
}

fn addresses(servers: &[Vec<HostPort>]) -> Vec<String> {
    servers
        .iter()
        .flatten()
        .filter(|h| !h.scope.starts_with("local-machine") && h.port != 0)
        .map(HostPort::address)
        .collect()
}

fn read(wire: Wire) -> LoginResult {
    let user = wire.user_info.unwrap_or_default();
    LoginResult {
        addresses: addresses(&wire.servers.unwrap_or_default()),
        model_tag: wire.model_tag.filter(|t| !t.is_empty()),
        controller_tag: wire.controller_tag.unwrap_or_default(),
        user: user.identity,
        controller_access: user.controller_access,
        model_access: user.model_access,
        server_version: wire.server_version.unwrap_or_default(),
        facades: wire
            .facades
            .unwrap_or_default()
            .into_iter()
            .map(|f| (f.name, f.versions))
            .collect(),
    }
}

/// One call on a socket that nobody else uses yet.
async fn admin(
    socket: &mut Socket,
    method: &str,
    params: serde_json::Value,
    options: &Options,
) -> Result<std::result::Result<Reply, RpcError>> {
    let operation = format!("Admin.{method}");
    let mut rpc = Rpc::default();
    let call = Call {
        facade: "Admin".into(),
        version: 3,
        id: String::new(),
        method: method.into(),
        params,
    };
    let (_, frame) = rpc.send(&call, ());
    let closed = |m: String| Error::new(ErrorKind::Closed, operation.clone(), m);
    let exchange = async {
        socket
            .send(Message::text(frame))
            .await
            .map_err(|e| closed(format!("the request could not be sent: {e}")))?;
        loop {
            let frame = match socket.next().await {
                Some(Ok(Message::Text(t))) => Bytes::from(t),
                Some(Ok(Message::Binary(b))) => b,
                Some(Ok(Message::Close(_))) | None => {
                    return Err(closed(
                        "the server closed the connection without an answer".into(),
                    ));
                }
                Some(Ok(_)) => continue,
                Some(Err(e)) => return Err(closed(e.to_string())),
            };
            match rpc
                .receive(frame)
                .map_err(|e| Error::new(ErrorKind::Protocol, operation.clone(), e))?
            {
                Incoming::Answer((), r) => return Ok(r),
                Incoming::Stray(_) => {}
            }
        }
    };
    tokio::time::timeout(options.connect_timeout, exchange)
        .await
        .map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                operation.clone(),
                format!("no answer within {:?}", options.connect_timeout),
            )
        })?
}
