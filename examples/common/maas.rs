//! The way to a MAAS region, as the `maas_*` examples take it on their command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use maas_client::testing::FakeRegion;
use maas_client::{ApiKey, Client};
use url::Url;

/// Why a program failed: one of the clients' errors, or a sentence.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where the region is, and who asks.
#[derive(clap::Args)]
pub(crate) struct Region {
    /// The region, such as http://10.0.0.1:5240/MAAS/; without it a fake one is set up for the while
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A file with the API key, as `maas apikey` prints it; without it $MAAS_API_KEY is the key
    #[arg(long, value_name = "FILE", requires = "url")]
    key_file: Option<PathBuf>,
    /// Log in as this user in place of a key
    #[arg(long, value_name = "NAME", requires_all = ["url", "password_file"], conflicts_with = "key_file")]
    user: Option<String>,
    /// A file with that user's password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// A file with the CA that signed the region's certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// An HTTP proxy to reach the region through
    #[arg(long, value_name = "URL", requires = "url")]
    proxy: Option<Url>,
}

impl Region {
    /// A client of the region; of a fake one, which lives as long as it is held, where no URL is given.
    pub(crate) async fn connect(
        &self,
        fake: impl AsyncFnOnce(&FakeRegion),
    ) -> Result<(Client, Option<FakeRegion>), Failure> {
        let Some(url) = &self.url else {
            eprintln!("on a fake region (--url URL for a real one)");
            let region = FakeRegion::builder().start().await?;
            region.create_admin("admin", "secret", "admin@example.com");
            fake(&region).await;
            region.tick().await;
            let key = region.api_key("admin").parse()?;
            let client = Client::builder(region.url()).api_key(key).build()?;
            return Ok((client, Some(region)));
        };
        let mut builder = Client::builder(url);
        if let Some(ca) = &self.ca {
            builder = builder.ca(read(ca)?);
        }
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        let anonymous = builder.build()?;
        let key = match (&self.user, &self.password_file, &self.key_file) {
            (Some(user), Some(file), _) => {
                let password = read(file)?.trim_end_matches(['\r', '\n']).to_owned();
                anonymous
                    .authenticate(user, &password.into(), "cloudboot-examples")
                    .await?
            }
            (_, _, Some(file)) => ApiKey::from_file(file)?,
            _ => ApiKey::from_env("MAAS_API_KEY")
                .map_err(|e| format!("{e}; or give --key-file, or --user and --password-file"))?,
        };
        Ok((anonymous.with_api_key(key), None))
    }
}

/// A file's text; the error names the file.
pub(crate) fn read(file: &PathBuf) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()).into())
}

/// Writes a line to standard output; that nobody reads on (`| head`) is no failure.
pub(crate) fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Says why a program failed, and ends it.
pub(crate) fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
