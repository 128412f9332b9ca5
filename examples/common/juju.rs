//! Where the Juju examples connect to: a controller of the client store, or, without one named, the library's own fake.

#![allow(dead_code)]

use std::path::PathBuf;
use std::time::Duration;

use juju_client::api::models::NewModel;
use juju_client::bundle::{ApplyOptions, Bundle};
use juju_client::testing::{Durations, FakeController, VaultState};
use juju_client::{Client, Options, Store};

/// The arguments that all have.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// A controller of the client store; without it a fake one is started.
    #[arg(long)]
    pub(crate) controller: Option<String>,
    /// The version that a fake one has: of 3.x, or of 4.x.
    #[arg(long, default_value = "3.6.9", conflicts_with = "controller")]
    pub(crate) fake_version: String,
    /// The model.
    #[arg(long, default_value = "openstack")]
    pub(crate) model: String,
    /// The client store's folder; default: the official client's.
    #[arg(long)]
    pub(crate) store: Option<PathBuf>,
    /// An HTTP proxy to go through.
    #[arg(long)]
    pub(crate) proxy: Option<url::Url>,
}

/// A model's client, and the fake that must live as long.
pub(crate) struct Connected {
    /// The model.
    pub(crate) model: Client,
    /// Only where no controller was named.
    #[allow(dead_code)]
    pub(crate) fake: Option<FakeController>,
}

/// The error of an example.
pub(crate) type Failure = Box<dyn std::error::Error>;

impl Where {
    /// Connects to the model. `filled`: the fake begins with the thesis's bundle.
    ///
    /// # Errors
    /// The store's or the connection's.
    pub(crate) async fn connect(&self, filled: bool) -> Result<Connected, Failure> {
        if let Some(name) = &self.controller {
            let dir = self
                .store
                .clone()
                .or_else(Store::default_dir)
                .ok_or("no home folder: give --store")?;
            let access = Store::read(&dir)?.controller(Some(name))?;
            let controller = access
                .connect(self.proxy.clone(), Options::default())
                .await?;
            let uuid = controller
                .models()
                .find(&self.model)
                .await?
                .ok_or_else(|| format!("there is no model {:?}", self.model))?;
            return Ok(Connected {
                model: controller.open_model(&uuid).await?,
                fake: None,
            });
        }
        eprintln!(
            "no --controller: a fake one of Juju {}, in this process",
            self.fake_version
        );
        let durations = Durations {
            bundle: Duration::from_secs(2),
            ..Durations::default()
        };
        let fake = FakeController::builder()
            .version(self.fake_version.as_str())
            .durations(durations)
            .start()
            .await?;
        let controller = fake.access().connect(None, Options::default()).await?;
        let made = controller
            .models()
            .create(&NewModel::new(&self.model))
            .await?;
        let model = controller.open_model(&made.uuid.parse()?).await?;
        if filled {
            Bundle::parse(THESIS)?
                .apply(&model, &ApplyOptions::default())
                .await?;
            fake.vault_state(VaultState::Sealed);
            tokio::time::sleep(Duration::from_millis(1500)).await;
        }
        Ok(Connected {
            model,
            fake: Some(fake),
        })
    }
}

/// The bundle of the thesis, repaired.
pub(crate) const THESIS: &str = include_str!("../../juju-client/tests/fixtures/openstack.yaml");
