//! Where a body runs, and what it may find there.

use lxd_client::testing::Fake;
use lxd_client::{
    Client, Error, ErrorKind, FileOptions, Finished, ImageImport, InstanceSource, NewInstance,
    Project, Result, Started, StoragePool,
};
use url::Url;

use crate::image::image_tarball;

/// A server to run a body against. Names made by a body begin with its prefix, so that bodies do
/// not meet.
pub(crate) struct Stage {
    pub(crate) lxd: Client,
    pub(crate) real: bool,
    /// The server's, as far as it matters: `(5, 0)`.
    version: (u32, u32),
    pub(crate) prefix: String,
    pub(crate) fake: Option<Fake>,
    /// Where HTTPS is (to be) reached, on the real one.
    url: Option<Url>,
    _alone: Option<tokio::sync::MutexGuard<'static, ()>>,
}

/// Bodies change the real server's configuration: one at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) const POOL: &str = "cbt";
pub(crate) const ALIAS: &str = "cbt-image";
/// A fingerprint that no image has: its first twelve characters, which is what later versions
/// ask for at least.
pub(crate) const NO_IMAGE: &str = "0123456789ab";

impl Stage {
    /// A fake like this version.
    pub(crate) async fn fake(version: &str, prefix: &str) -> Self {
        let fake = Fake::builder().like(version).start().await.unwrap();
        let lxd = Client::unix(fake.socket()).build().unwrap();
        Self::ready(lxd, Some(fake), None, prefix, None).await
    }

    /// Whether a real LXD is there; says so if it is not, and fails if it has to be.
    pub(crate) fn is_real_there() -> bool {
        if std::env::var("CLOUDBOOT_LXD_SOCKET").is_ok() {
            return true;
        }
        assert!(
            std::env::var("CLOUDBOOT_PEERS").as_deref() != Ok("1"),
            "CLOUDBOOT_PEERS=1, but CLOUDBOOT_LXD_SOCKET is not set"
        );
        println!(
            "skipped: no real LXD (run tests/peers/lxd-peer.sh start DIR as root and set \
             CLOUDBOOT_LXD_SOCKET=DIR/var/unix.socket)"
        );
        false
    }

    /// On a daemon of the test's own.
    pub(crate) async fn at(lxd: Client, prefix: &str) -> Self {
        Self::ready(lxd, None, None, prefix, None).await
    }

    pub(crate) async fn real(prefix: &str) -> Option<Self> {
        if !Self::is_real_there() {
            return None;
        }
        let socket = std::env::var("CLOUDBOOT_LXD_SOCKET").unwrap();
        let alone = ALONE.lock().await;
        let lxd = Client::unix(&socket).build().unwrap();
        let url = std::env::var("CLOUDBOOT_LXD_URL")
            .unwrap_or_else(|_| "https://198.18.53.2:8443".into())
            .parse()
            .unwrap();
        Some(Self::ready(lxd, None, Some(url), prefix, Some(alone)).await)
    }

    async fn ready(
        lxd: Client,
        fake: Option<Fake>,
        url: Option<Url>,
        prefix: &str,
        alone: Option<tokio::sync::MutexGuard<'static, ()>>,
    ) -> Self {
        let pool = StoragePool::new(POOL, "dir");
        if let Err(e) = ended(lxd.storage_pools().create(&pool).await).await {
            assert!(e.is_conflict(), "{e}");
        }
        for instance in lxd.instances().list().await.unwrap() {
            if instance.name.starts_with(prefix) {
                lxd.instances().delete_forced(&instance.name).await.unwrap();
            }
        }
        let server = lxd.server().await.unwrap().into_inner();
        let mut version = server.environment.server_version.split('.');
        let mut number = || version.next().unwrap().parse().unwrap();
        Self {
            real: fake.is_none(),
            version: (number(), number()),
            lxd,
            prefix: prefix.to_owned(),
            fake,
            url,
            _alone: alone,
        }
    }

    /// Whether the server is of this version or a later one.
    pub(crate) fn since(&self, major: u32, minor: u32) -> bool {
        self.version >= (major, minor)
    }

    /// Which of the versions observed it is to be held to.
    pub(crate) fn like(&self) -> &'static str {
        match self.version {
            (6.., _) => "6.9",
            (5, 21..) => "5.21.7",
            _ => "5.0.2",
        }
    }

    /// Sets or takes away the trust password, where there is such a thing (6.1 took it out).
    pub(crate) async fn password(&self, password: &str) {
        if self.since(6, 1) {
            return;
        }
        let set = self.lxd.set_config([("core.trust_password", password)]);
        set.await.unwrap();
    }

    /// How a bad value of a network or a pool is told: at once, or from 6.8 on by the operation.
    pub(crate) fn refusal_of_network_or_pool(&self) -> ErrorKind {
        match self.since(6, 8) {
            true => ErrorKind::OperationFailed,
            false => ErrorKind::Refused,
        }
    }

    /// An empty project of the body's own, whatever was left of an earlier run, and a client of it.
    pub(crate) async fn project(&self) -> (String, Client) {
        let (name, projects) = (self.name("p"), self.lxd.projects());
        let within = self.lxd.project(&name);
        if projects.get(&name).await.is_ok() {
            for old in within.instances().list().await.unwrap() {
                within.instances().delete_forced(&old.name).await.unwrap();
            }
            ended(projects.delete(&name).await).await.unwrap();
        }
        let made = projects.create(&Project::named(&name)).await;
        ended(made).await.unwrap();
        (name, within)
    }

    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Has the server listen on HTTPS and tells where.
    pub(crate) async fn https(&self) -> Url {
        self.lxd
            .set_config([("core.https_address", "[::]:8443")])
            .await
            .unwrap();
        match (&self.fake, &self.url) {
            (Some(fake), _) => fake.url().unwrap(),
            (None, Some(url)) => url.clone(),
            _ => unreachable!(),
        }
    }

    /// An image to make containers of: busybox where it has to run.
    pub(crate) async fn image(&self) {
        if self.lxd.images().alias(ALIAS).await.is_ok() {
            return;
        }
        let tar = image_tarball("cbt", self.real);
        self.lxd
            .images()
            .import(tar, &ImageImport::alias(ALIAS))
            .await
            .unwrap();
    }

    /// A container with a disk and no network.
    pub(crate) fn container(&self, name: &str) -> NewInstance {
        NewInstance::container(self.name(name), InstanceSource::LocalAlias(ALIAS.into()))
            .profiles(Vec::<String>::new())
            .device("root", [("type", "disk"), ("pool", POOL), ("path", "/")])
    }

    pub(crate) async fn running(&self, name: &str) -> String {
        self.image().await;
        let name_ = self.name(name);
        let instances = self.lxd.instances();
        instances
            .create(&self.container(name))
            .await
            .unwrap()
            .wait()
            .await
            .unwrap();
        instances.start(&name_).await.unwrap().wait().await.unwrap();
        name_
    }
}

/// How a change ends, whether it is answered at once or, as later versions do, by an operation.
pub(crate) async fn ended(change: Result<Started>) -> Result<Finished> {
    change?.wait().await
}

/// The error of a change, told at once or by its operation.
pub(crate) async fn refused(change: Result<Started>) -> Error {
    ended(change).await.map(|_| ()).unwrap_err()
}

pub(crate) fn mode(bits: u32) -> FileOptions {
    FileOptions::mode(bits)
}

/// Makes of each body a test on the fake like each of the versions that it is held to, and one on
/// the real server.
macro_rules! bodies {
    ($($name:ident),+ $(,)?) => {
        crate::stage::bodies!(fake like "5.0.2": $($name),+);
        crate::stage::bodies!(fake_5_21 like "5.21.7": $($name),+);
        crate::stage::bodies!(fake_6_9 like "6.9": $($name),+);
        mod real {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let name = stringify!($name).replace('_', "-");
                if let Some(stage) = crate::stage::Stage::real(&name).await {
                    super::$name(stage).await;
                }
            })+
        }
    };
    ($module:ident like $version:literal: $($name:ident),+) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let name = stringify!($name).replace('_', "-");
                super::$name(crate::stage::Stage::fake($version, &name).await).await;
            })+
        }
    };
}
pub(crate) use bodies;
