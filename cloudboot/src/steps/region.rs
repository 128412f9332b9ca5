//! Stage 3. and 4: The region: initialised, answering, with its administrator and an API key.
//!
//! The thesis: `maas init`, `maas_create_admin()`, `await_http_server()`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};
use crate::host::snaps::ServiceAction;

/// Region and rack controller on this host.
pub struct InitRegion {
    pub(super) site: Arc<Site>,
}

impl InitRegion {
    /// The database's URI with each part escaped; the thesis pasted the password in as it was.
    fn database_uri(&self) -> SecretString {
        let postgres = &self.site.config.postgres;
        let escape = |text: &str| text.bytes().map(escape_byte).collect::<String>();
        let host = match &postgres.host {
            Some(host) if host.contains(':') => format!("[{host}]"),
            Some(host) => host.clone(),
            None => "localhost".to_owned(),
        };
        format!(
            "postgres://{}:{}@{host}:{}/{}",
            escape(&postgres.username),
            escape(postgres.password.expose()),
            postgres.port,
            escape(&postgres.database)
        )
        .into()
    }
}

/// A byte of a URI's user information (RFC 3986, 2.1 and 2.3).
fn escape_byte(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[async_trait]
impl Step for InitRegion {
    type Needs = ((), ());
    type Output = ();

    fn id(&self) -> StepId {
        "maas.init".into()
    }

    fn about(&self) -> String {
        "initialise the region and rack controller".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("maas.init", Deadline::minutes(20, 20))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(110))
    }

    async fn observe(&self, _: &((), ()), _: &Context) -> Result<Observation<()>, Error> {
        Ok(
            match self
                .site
                .host
                .maas_cli
                .observe()
                .await
                .attempt("read how MAAS was initialised")?
            {
                None => Observation::absent("MAAS is not initialised on this host"),
                Some(found) if found.mode == "region+rack" => match services(&self.site).await? {
                    Services::Stopped => Observation::drifted(["MAAS's services are stopped"]),
                    _ => Observation::Satisfied(()),
                },
                Some(found) => Observation::needs_operator(format!(
                    "MAAS is initialised on this host as `{}`, and the mission needs `region+rack`: finish that installation by hand \
                 or remove the snap maas",
                    found.mode
                )),
            },
        )
    }

    async fn apply(&self, _: &((), ()), cx: &Context) -> Result<(), Error> {
        create(cx, "MAAS region").await?;
        let host = &self.site.host;
        if services(&self.site).await? == Services::Stopped
            && host
                .maas_cli
                .observe()
                .await
                .attempt("read how MAAS was initialised")?
                .is_some()
        {
            return control(&self.site, ServiceAction::Start, self.deadline()).await;
        }
        host.maas_cli
            .init(
                self.site.config.maas.server.as_str(),
                &self.database_uri(),
                self.deadline().total,
            )
            .await
            .attempt("initialise the region and rack controller")
    }

    /// Its services end here, so that nothing runs on the database when that is dropped; its files go with the snap.
    async fn undo(&self, _: &((), ()), cx: &Context) -> Result<Undo, Error> {
        if !created(cx, "MAAS region") {
            return Ok(Undo::kept("the region was there before"));
        }
        if services(&self.site).await? != Services::Running {
            return Ok(Undo::NothingToDo);
        }
        cx.intend("stop the services of MAAS").await?;
        control(&self.site, ServiceAction::Stop, self.deadline()).await?;
        Ok(Undo::removed("MAAS's running services"))
    }
}

/// How the snap's services stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Services {
    /// There is no such snap, or it has none.
    None,
    /// At least one runs.
    Running,
    /// None runs.
    Stopped,
}

/// How the services of the snap `maas` stand.
pub(super) async fn services(site: &Site) -> Result<Services, Error> {
    match site.host.snaps.services("maas").await {
        Ok(services) if services.is_empty() => Ok(Services::None),
        Ok(services) if services.iter().any(|service| service.active) => Ok(Services::Running),
        Ok(_) => Ok(Services::Stopped),
        Err(error) if error.is_not_found() => Ok(Services::None),
        Err(error) => Err(error).attempt("look at the services of MAAS"),
    }
}

async fn control(site: &Site, action: ServiceAction, deadline: Deadline) -> Result<(), Error> {
    let attempted = "start or stop the services of MAAS";
    let snaps = &site.host.snaps;
    let change = snaps.service(action, "maas").await.attempt(attempted)?;
    snaps
        .follow(&change, deadline.total, |_| {})
        .await
        .attempt(attempted)
        .map(drop)
}

/// The region's HTTP server answers.
pub struct AwaitHttp {
    pub(super) site: Arc<Site>,
}

impl AwaitHttp {
    fn client(&self) -> Result<maas_client::Client, Error> {
        let mut builder = maas_client::Client::builder(&self.site.config.maas.server);
        if let Some(proxy) = self.site.proxy() {
            builder = builder.proxy(proxy.clone());
        }
        builder.build().attempt("prepare the MAAS client")
    }
}

#[async_trait]
impl Step for AwaitHttp {
    type Needs = ((),);
    /// A client without a key.
    type Output = maas_client::Client;

    fn id(&self) -> StepId {
        "maas.http".into()
    }

    fn about(&self) -> String {
        "wait for the region's HTTP server".to_owned()
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("maas.http", Deadline::minutes(10, 15))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(14))
    }

    async fn observe(
        &self,
        _: &((),),
        _: &Context,
    ) -> Result<Observation<maas_client::Client>, Error> {
        let client = self.client()?;
        match client.version().await {
            Ok(version) => {
                let wanted = &self.site.config.maas.channel.track;
                // A snap that was refreshed by hand may run what the channel does not say.
                match (version.series(), series(wanted)) {
                    (Some(found), Some(wanted)) if found != wanted => {
                        Ok(Observation::needs_operator(format!(
                            "the region at {} is MAAS {}, and maas.channel asks for {}.{}: set maas.channel to adopt it",
                            self.site.config.maas.server, version.version, wanted.0, wanted.1
                        )))
                    }
                    _ => Ok(Observation::Satisfied(client)),
                }
            }
            Err(error) if error.is_retryable() || error.is_connect() || error.is_unclear() => Ok(
                Observation::absent(format!("the region does not answer yet: {error}")),
            ),
            Err(error) => Err(error).attempt("ask the region for its version"),
        }
    }

    async fn apply(&self, _: &((),), cx: &Context) -> Result<(), Error> {
        let client = self.client()?;
        cx.waiting("the region's HTTP server", self.deadline())
            .advice("look at `snap logs maas` on the controller")
            .poll(async || match client.version().await {
                Ok(_) => Ok(Polled::Done(())),
                Err(error) => Ok(Polled::pending(error.to_string())),
            })
            .await
    }
}

/// `3.4` as numbers; `None` for `latest`.
fn series(track: &str) -> Option<(u32, u32)> {
    let (major, minor) = track.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The administrator and the API key that everything else uses.
pub struct Administrator {
    pub(super) site: Arc<Site>,
}

/// The key's name in the secret store.
const KEY: &str = "maas-api-key";

impl Administrator {
    /// MAAS's name for the key: each deployment has one of its own, that teardown and rotation can tell apart.
    fn consumer(&self) -> String {
        format!("cloudboot-{}", self.site.config.deployment)
    }

    fn made(&self) -> String {
        format!("administrator {}", self.site.config.maas.username)
    }
}

#[async_trait]
impl Step for Administrator {
    type Needs = (maas_client::Client,);
    /// A client with the administrator's key.
    type Output = maas_client::Client;

    fn id(&self) -> StepId {
        "maas.admin".into()
    }

    fn about(&self) -> String {
        format!(
            "make the administrator {} and an API key",
            self.site.config.maas.username
        )
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("maas.admin", Deadline::minutes(5, 10))
    }

    async fn observe(
        &self,
        (maas,): &(maas_client::Client,),
        cx: &Context,
    ) -> Result<Observation<maas_client::Client>, Error> {
        if maas
            .login_status()
            .await
            .attempt("ask the region for its users")?
            .no_users
        {
            return Ok(Observation::absent("the region has no user yet"));
        }
        if cx.secrets().get(KEY).await?.is_none() {
            return Ok(Observation::absent("we hold no API key of the region"));
        }
        let key = kept_key(cx).await?;
        let maas = maas.with_api_key(key);
        match maas.users().whoami().await {
            Ok(user) if user.is_superuser => Ok(Observation::Satisfied(maas)),
            Ok(user) => Ok(Observation::needs_operator(format!(
                "the user {} of the region is no administrator: make it one, or name another in maas.username",
                user.username
            ))),
            Err(error) if error.is_authentication() => Ok(Observation::absent(
                "the region does not take the API key that we hold",
            )),
            Err(error) => Err(error).attempt("try the API key"),
        }
    }

    async fn apply(&self, (maas,): &(maas_client::Client,), cx: &Context) -> Result<(), Error> {
        let config = &self.site.config.maas;
        if maas
            .login_status()
            .await
            .attempt("ask the region for its users")?
            .no_users
        {
            create(cx, &self.made()).await?;
            self.site
                .host
                .maas_cli
                .create_admin(
                    &config.username,
                    &config.email,
                    config.password.value(),
                    Duration::from_secs(120),
                )
                .await
                .attempt(&format!("create the administrator {}", config.username))?;
        }
        let attempted = format!("get an API key for {}", config.username);
        cx.intend(attempted.clone()).await?;
        let key = match maas
            .authenticate(&config.username, config.password.value(), &self.consumer())
            .await
        {
            Ok(key) => key,
            Err(error) if error.is_authentication() => {
                return Err(Error::needs_operator(attempted, format!("the region at {} refuses that user and password", config.server))
                    .next("the region was set up by somebody else: put the name and password of one of its administrators into maas.username and maas.password")
                    .because(error));
            }
            Err(error) => return Err(error).attempt(&attempted),
        };
        cx.secrets().put(KEY, &key.expose()).await
    }

    async fn undo(&self, (maas,): &(maas_client::Client,), cx: &Context) -> Result<Undo, Error> {
        if cx.secrets().get(KEY).await?.is_none() {
            return Ok(Undo::NothingToDo);
        }
        let key = kept_key(cx).await?;
        cx.intend("delete our API key").await?;
        match maas
            .with_api_key(key.clone())
            .account()
            .delete_token(key.token())
            .await
        {
            Ok(()) => {}
            Err(error) if error.is_authentication() || error.is_not_found() => {}
            Err(error) => return Err(error).attempt("delete our API key"),
        }
        cx.secrets().remove(KEY).await?;
        // The administrator goes with the region's database; one that was there before stays.
        let mut removed = vec!["our API key".to_owned()];
        if created(cx, &self.made()) {
            removed.push(format!("{} (with the region)", self.made()));
        }
        Ok(super::removed(removed))
    }
}

/// The API key that we hold.
///
/// # Errors
/// There is none, or it does not read.
pub(super) async fn kept_key(cx: &Context) -> Result<maas_client::ApiKey, Error> {
    let attempted = "read the kept API key";
    let Some(key) = cx.secrets().get(KEY).await? else {
        return Err(Error::transient(attempted, "it is not there").next("run the step maas.admin"));
    };
    key.expose_secret().parse().attempt(attempted)
}
