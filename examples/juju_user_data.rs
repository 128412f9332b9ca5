//! A Juju 4 controller without a `juju` client, made of a fresh Ubuntu machine by cloud-init alone: its user data.
//!
//! ```sh
//! # For a machine of MAAS: allocate it with the agent_name that is printed, deploy it with the user data.
//! cargo run --example juju_user_data -- --out controller --cloud maas --endpoint http://10.42.0.1:5240/MAAS \
//!     --key-file maas.key --instance abc123
//! # For a VM of one's own on LXD: it must have the name that is printed.
//! cargo run --example juju_user_data -- --out controller --cloud lxd --endpoint https://10.42.0.1:8443 \
//!     --client-cert client.crt --key-file client.key --server-cert server.crt
//! lxc launch ubuntu:24.04 <name> --vm --config=user.user-data="$(cat controller/user-data.yaml)"
//! ```
//!
//! In the folder `--out`, for its owner alone: `user-data.yaml`, each of its files under `files/`, and `controller.json` with what is
//! needed to log in: the UUIDs, the first password (replace it), and the one-time key of the first contact or the CA.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use cloudboot::juju_bootstrap::{
    Agent, Bootstrap, Charm, Cloud, GivenKeys, Keys, LxdCloud, MaasCloud, ProofKey, agents,
    lxd_instance_name, render,
};
use cloudboot::rest::Reach;
use secrecy::ExposeSecret as _;
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Maas,
    Lxd,
}

#[derive(Debug, clap::Parser)]
struct Args {
    /// The folder to write to; it must not be there.
    #[arg(long)]
    out: PathBuf,
    /// The controller's name.
    #[arg(long, default_value = "controller")]
    name: String,
    /// What the machine is on.
    #[arg(long)]
    cloud: Kind,
    /// Its address, as the machine reaches it.
    #[arg(long)]
    endpoint: url::Url,
    /// The file of MAAS's API key, or of the key that goes with `--client-cert`.
    #[arg(long)]
    key_file: PathBuf,
    /// LXD: the client's certificate, PEM.
    #[arg(long)]
    client_cert: Option<PathBuf>,
    /// LXD: the server's certificate, PEM.
    #[arg(long)]
    server_cert: Option<PathBuf>,
    /// MAAS: the machine's system id. (LXD: the instance's name follows from the model's UUID.)
    #[arg(long)]
    instance: Option<String>,
    /// Juju's track, or one version: the newest agent of it in Juju's streams is taken.
    #[arg(long, default_value = "4.0")]
    track: String,
    /// Juju's streams, or a mirror of them.
    #[arg(long, default_value = agents::STREAMS)]
    streams: url::Url,
    /// An archive instead: its version, as the agent in it says it.
    #[arg(long, requires_all = ["agent_url", "agent_sha256", "agent_size"])]
    agent_version: Option<String>,
    /// Where it is.
    #[arg(long)]
    agent_url: Option<url::Url>,
    /// Its SHA-256.
    #[arg(long)]
    agent_sha256: Option<String>,
    /// Its size in bytes.
    #[arg(long)]
    agent_size: Option<u64>,
    /// The controller's charm as a file, instead of the store's: its address.
    #[arg(long, requires = "charm_sha256")]
    charm_url: Option<url::Url>,
    /// Its SHA-256.
    #[arg(long)]
    charm_sha256: Option<String>,
    /// A folder with ca.crt, ca.key, controller.crt and controller.key (PEM, PKCS#8); without it the machine makes its keys.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// A public SSH key that may log in.
    #[arg(long)]
    authorized_key: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let args = Args::parse();
    let agent = match (&args.agent_version, &args.agent_url, &args.agent_sha256) {
        (Some(version), Some(url), Some(sha256)) => Agent::new(
            version,
            url.clone(),
            sha256,
            args.agent_size.unwrap_or_default(),
        ),
        _ => agents::find(&args.streams, "released", &args.track, &Reach::default()).await?,
    };
    let proof = ProofKey::new();
    let keys = match &args.keys {
        None => Keys::OnMachine(proof.clone()),
        Some(folder) => Keys::Given(Box::new(GivenKeys {
            ca_cert: read(&folder.join("ca.crt"))?,
            ca_key: read(&folder.join("ca.key"))?.into(),
            cert: read(&folder.join("controller.crt"))?,
            key: read(&folder.join("controller.key"))?.into(),
        })),
    };
    let ca = match &keys {
        Keys::Given(given) => Some(given.ca_cert.clone()),
        _ => None,
    };
    let password = hex::encode(ProofKey::new().expose());
    let mut wanted = Bootstrap::new(
        &args.name,
        agent,
        cloud(&args)?,
        args.instance.clone().unwrap_or_default(),
        password.clone().into(),
        keys,
    );
    if args.cloud == Kind::Lxd {
        wanted.instance_id = lxd_instance_name(&wanted.model_uuid);
    }
    if let (Some(url), Some(sha256)) = (&args.charm_url, &args.charm_sha256) {
        wanted.charm = Charm::File {
            url: url.clone(),
            sha256: sha256.clone(),
        };
    }
    wanted.authorized_keys.clone_from(&args.authorized_key);
    wanted.check()?;

    let data = render(&wanted);
    fs::DirBuilder::new().mode(0o700).create(&args.out)?;
    write(
        &args.out.join("user-data.yaml"),
        0o600,
        data.to_cloud_config().expose_secret(),
    )?;
    for file in &data.files {
        let path = args
            .out
            .join("files")
            .join(file.path.trim_start_matches('/'));
        write(&path, file.mode, file.content.expose_secret())?;
    }
    let told = json!({
        "name": wanted.name,
        "uuid": wanted.controller_uuid,
        "controller_model_uuid": wanted.model_uuid,
        "instance": wanted.instance_id,
        "agent": wanted.agent.version,
        "user": "admin",
        "first_password": password,
        "first_contact_key": ca.is_none().then(|| hex::encode(proof.expose())),
        "ca_cert": ca,
    });
    write(
        &args.out.join("controller.json"),
        0o600,
        &format!("{told:#}\n"),
    )?;
    match args.cloud {
        Kind::Maas => println!(
            "allocate {} with agent_name={} and deploy it with {}",
            wanted.instance_id,
            wanted.model_uuid,
            args.out.join("user-data.yaml").display()
        ),
        Kind::Lxd => println!(
            "launch {} with user.user-data of {}",
            wanted.instance_id,
            args.out.join("user-data.yaml").display()
        ),
    }
    Ok(ExitCode::SUCCESS)
}

fn cloud(args: &Args) -> Result<Cloud, Failure> {
    let secret = read(&args.key_file)?;
    Ok(match args.cloud {
        Kind::Maas => Cloud::Maas(MaasCloud {
            name: "maas".to_owned(),
            endpoint: args.endpoint.clone(),
            credential: "admin".to_owned(),
            api_key: secret.trim().to_owned().into(),
        }),
        Kind::Lxd => Cloud::Lxd(LxdCloud {
            name: "lxd".to_owned(),
            endpoint: args.endpoint.clone(),
            credential: "admin".to_owned(),
            client_cert: read(
                args.client_cert
                    .as_deref()
                    .ok_or("--client-cert is wanted")?,
            )?,
            client_key: secret.into(),
            server_cert: read(
                args.server_cert
                    .as_deref()
                    .ok_or("--server-cert is wanted")?,
            )?,
        }),
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// A new file; its folders are its owner's alone.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(())
}
