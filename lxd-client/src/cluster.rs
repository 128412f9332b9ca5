//! Clusters and their members.

use base64::Engine as _;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::answer::Versioned;
use crate::operation::{Finished, Started};
use crate::request::{Request, segment};
use crate::types::{Config, Extra, config, nullable};
use crate::{Client, Error, ErrorKind, Etag, Fingerprint, Result, TrustToken};

/// GET `/1.0/cluster`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// This server's name in it.
    pub server_name: String,
    /// Whether the server is a member of a cluster.
    pub enabled: bool,
    /// The rest, such as what a joining member has to say of its pools.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A member of a cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ClusterMember {
    /// Its name.
    pub server_name: String,
    /// Its address.
    pub url: String,
    /// `Online`, `Offline`, `Evacuated`...
    pub status: String,
    /// More about it.
    pub message: String,
    /// Such as `database`.
    #[serde(deserialize_with = "nullable")]
    pub roles: Vec<String>,
    /// Free text.
    pub description: String,
    /// Such as `scheduler.instance`.
    #[serde(deserialize_with = "config")]
    pub config: Config,
    /// The groups it belongs to.
    #[serde(deserialize_with = "nullable")]
    pub groups: Vec<String>,
    /// Where it stands; members of different domains fail independently.
    pub failure_domain: String,
    /// The rest.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ClusterMember {
    fn put(&self) -> Value {
        json!({
            "config": self.config, "description": self.description, "groups": self.groups,
            "failure_domain": self.failure_domain, "roles": self.roles,
        })
    }
}

/// What a joining server says of itself, for one key of one of the cluster's pools or networks
/// (`member_config` in a preseed): such as a pool's `source`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MemberConfig {
    /// `storage-pool` or `network`.
    pub entity: String,
    /// Which one.
    pub name: String,
    /// `source`, `size`, `zfs.pool_name`, `bridge.external_interfaces`...
    pub key: String,
    /// Its value on the joining server.
    pub value: String,
    /// What it means, as the cluster tells it; not read.
    pub description: String,
}

impl MemberConfig {
    /// A pool's, such as `source`.
    pub fn pool(name: impl Into<String>, key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            entity: "storage-pool".into(),
            name: name.into(),
            key: key.into(),
            value: value.into(),
            description: String::new(),
        }
    }
}

/// How a server becomes a member of a cluster that stands. It takes over the cluster's pools,
/// networks, projects and profiles, and must have no instances of its own.
#[derive(Debug, Clone)]
pub struct ClusterJoin {
    server_name: String,
    server_address: String,
    cluster_address: String,
    certificate: String,
    secret: SecretString,
    member_config: Vec<MemberConfig>,
}

impl ClusterJoin {
    /// By the cluster's password (`core.trust_password`, LXD before 6.1), or by a join token's text
    /// where the rest is known. Addresses are `HOST:PORT`; `certificate` is the cluster's, in PEM.
    pub fn by_secret(
        server_name: impl Into<String>,
        server_address: impl Into<String>,
        cluster_address: impl Into<String>,
        certificate: impl Into<String>,
        secret: SecretString,
    ) -> Self {
        Self {
            server_name: server_name.into(),
            server_address: server_address.into(),
            cluster_address: cluster_address.into(),
            certificate: certificate.into(),
            secret,
            member_config: Vec::new(),
        }
    }

    /// By a join token (`lxc cluster add NAME`, [`Cluster::join_token`]): its addresses are asked
    /// in turn until one shows the certificate that the token names. They are asked from here, not
    /// from the joining server, as `lxd init` does; through the proxy, if there is one (without it
    /// the environment's are honoured).
    ///
    /// # Errors
    /// If the token cannot be read, or no address shows that certificate within 10 s.
    pub async fn by_token(
        token: &SecretString,
        server_address: impl Into<String>,
        proxy: Option<&Url>,
    ) -> Result<Self> {
        let attempted = "joining a cluster by a token";
        let read: TrustToken = token.expose_secret().parse()?;
        let (wanted, mut tried) = (read.fingerprint()?, Vec::new());
        for url in read.addresses() {
            let at = url.authority().to_owned();
            let limit = std::time::Duration::from_secs(10);
            match crate::websocket::peer_certificate(&url, proxy, limit).await {
                Ok(shown) if Fingerprint::of_der(&shown) == wanted => {
                    return Ok(Self::by_secret(
                        read.server_name(),
                        server_address,
                        format!(
                            "{}:{}",
                            url.host_str().unwrap_or_default(),
                            url.port_or_known_default().unwrap_or(8443)
                        ),
                        crate::tls::certificate_pem(&shown),
                        token.clone(),
                    ));
                }
                Ok(_) => tried.push(format!("{at} shows another certificate than the token's")),
                Err(e) => tried.push(format!("{at}: {}", e.message())),
            }
        }
        if tried.is_empty() {
            tried.push("the token names no address".into());
        }
        Err(Error::new(
            ErrorKind::Connection,
            attempted,
            tried.join("; "),
        ))
    }

    /// What this server says of the cluster's pools and networks.
    #[must_use]
    pub fn member_config(mut self, all: Vec<MemberConfig>) -> Self {
        self.member_config = all;
        self
    }

    /// The name that the server will have in the cluster.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// The member of the cluster that is asked.
    pub fn cluster_address(&self) -> &str {
        &self.cluster_address
    }

    /// A token has a field of its own where the server knows one (`explicit_trust_token`); from 6.1
    /// on that is the only one.
    fn request(&self, explicit: bool) -> Request {
        let is_token = self.secret.expose_secret().parse::<TrustToken>().is_ok();
        let field = match explicit && is_token {
            true => "cluster_token",
            false => "cluster_password",
        };
        let mut body = json!({
            "enabled": true, "server_name": self.server_name, "server_address": self.server_address,
            "cluster_address": self.cluster_address, "cluster_certificate": self.certificate,
            "member_config": self.member_config,
        });
        body[field] = self.secret.expose_secret().into();
        Request::put("/1.0/cluster").json(body)
    }
}

/// The cluster that a server is a member of.
#[derive(Debug, Clone)]
pub struct Cluster {
    client: Client,
}

impl Client {
    /// The cluster that the server is a member of.
    pub fn cluster(&self) -> Cluster {
        Cluster {
            client: self.clone(),
        }
    }

    /// The members of the cluster; none where the server is alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn cluster_members(&self) -> Result<Vec<ClusterMember>> {
        self.cluster().members().await
    }
}

impl Cluster {
    /// Whether there is one, and what this server is called in it.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn info(&self) -> Result<Versioned<ClusterInfo>> {
        self.client.get("/1.0/cluster").await
    }

    /// Makes this server the first member of a cluster. It must listen on an address
    /// (`core.https_address` or `cluster.https_address`) that others can reach. There is no way
    /// back.
    ///
    /// # Errors
    /// Refused if it is a member already or listens nowhere.
    pub async fn enable(&self, server_name: &str) -> Result<Finished> {
        let body = json!({"enabled": true, "server_name": server_name});
        self.client
            .change(Request::put("/1.0/cluster").json(body))
            .await?
            .wait()
            .await
    }

    /// Makes this server a member of a cluster that stands. It needs a name and an address that the
    /// others can reach; it listens there afterwards. There is no way back but
    /// [`remove_member`](Cluster::remove_member).
    ///
    /// # Errors
    /// Refused if it is a member already or has instances; the operation fails with LXD's reason if
    /// the cluster cannot be reached from it, or does not take the secret.
    pub async fn join(&self, how: &ClusterJoin) -> Result<Finished> {
        self.client
            .require("joining a cluster", &["clustering_join"])
            .await?;
        let request = self.join_request(how).await?;
        self.client.change(request).await?.wait().await
    }

    pub(crate) async fn join_request(&self, how: &ClusterJoin) -> Result<Request> {
        let explicit = self.client.has_extension("explicit_trust_token").await?;
        Ok(how.request(explicit))
    }

    /// The members; none where the server is alone.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn members(&self) -> Result<Vec<ClusterMember>> {
        if !self.info().await?.enabled {
            return Ok(Vec::new());
        }
        let request = Request::get("/1.0/cluster/members").query("recursion", "1");
        self.client.collect(request).await
    }

    /// One, with its ETag.
    ///
    /// # Errors
    /// Not found; refused (500 in 5.0) if the server is no member of a cluster.
    pub async fn member(&self, name: &str) -> Result<Versioned<ClusterMember>> {
        self.client.get(&path(name)).await
    }

    /// Replaces what can be changed of it, if it still is what `etag` was read with.
    ///
    /// # Errors
    /// Precondition if it was changed since.
    pub async fn update_member(
        &self,
        member: &ClusterMember,
        etag: Option<&Etag>,
    ) -> Result<Started> {
        let at = path(&member.server_name);
        self.client.put(&at, member.put(), etag).await
    }

    /// Reads it, changes it, writes it; and again if somebody else changed it in between.
    ///
    /// # Errors
    /// Not found, refused, or still in somebody's way after ten tries.
    pub async fn modify_member(
        &self,
        name: &str,
        change: impl FnMut(&mut ClusterMember),
    ) -> Result<Finished> {
        self.client
            .modify(&path(name), ClusterMember::put, change)
            .await
    }

    /// Renames it.
    ///
    /// # Errors
    /// Not found.
    pub async fn rename_member(&self, name: &str, to: &str) -> Result<Started> {
        let request = Request::post(path(name)).json(json!({"server_name": to}));
        self.client.change(request).await
    }

    /// Takes a member out; `force` if it is gone for good.
    ///
    /// # Errors
    /// Not found; refused while it has instances or images.
    pub async fn remove_member(&self, name: &str, force: bool) -> Result<Started> {
        let mut request = Request::delete(path(name));
        if force {
            request = request.query("force", "1");
        }
        self.client.change(request).await
    }

    /// Moves a member's instances elsewhere or stops them, for maintenance.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 4.17.
    pub async fn evacuate(&self, name: &str) -> Result<Started> {
        self.act(name, "evacuate").await
    }

    /// Brings an evacuated member back, its instances with it.
    ///
    /// # Errors
    /// Not found; missing extension before LXD 4.17.
    pub async fn restore(&self, name: &str) -> Result<Started> {
        self.act(name, "restore").await
    }

    async fn act(&self, name: &str, action: &str) -> Result<Started> {
        let attempted = format!("{action} of the cluster member {name}");
        self.client
            .require(&attempted, &["clustering_evacuation"])
            .await?;
        let request = Request::post(format!("{}/state", path(name)));
        self.client
            .change(request.json(json!({"action": action})))
            .await
    }

    /// Makes a token by which a new server can join under this name: what
    /// `lxc cluster add NAME` prints, to be given as `cluster_token` in its preseed.
    ///
    /// # Errors
    /// Refused if the server is no member of a cluster; missing extension before LXD 4.14.
    pub async fn join_token(&self, server_name: &str) -> Result<SecretString> {
        let attempted = "making a join token";
        self.client
            .require(attempted, &["clustering_join_token"])
            .await?;
        let request = Request::post("/1.0/cluster/members").json(json!({
            "server_name": server_name,
        }));
        let answer = self.client.send(request).await?;
        // The operation lives until the token is used: nobody waits for it.
        let told = &answer.metadata["metadata"];
        let (Some(secret), Some(fingerprint)) =
            (told["secret"].as_str(), told["fingerprint"].as_str())
        else {
            let what = "the token operation tells no secret";
            return Err(Error::new(ErrorKind::Protocol, attempted, what).unclear(true));
        };
        let token = json!({
            "server_name": server_name, "fingerprint": fingerprint,
            "addresses": told["addresses"], "secret": secret,
            "expires_at": told.get("expiresAt").cloned()
                .unwrap_or_else(|| "0001-01-01T00:00:00Z".into()),
        });
        let engine = base64::engine::general_purpose::STANDARD;
        Ok(engine.encode(token.to_string()).into())
    }
}

fn path(name: &str) -> String {
    format!("/1.0/cluster/members/{}", segment(name))
}
