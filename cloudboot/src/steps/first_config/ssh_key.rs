//! The machines' SSH key, made and registered.

use std::sync::Arc;

use async_trait::async_trait;
use maas_client::Client;

use crate::engine::{Context, Error, Observation, Step, StepId, Undo};
use crate::host::keys;
use crate::steps::{Attempt as _, Site, create, created};

/// The key that MAAS puts on every machine.
pub struct SshKey {
    pub(in crate::steps) site: Arc<Site>,
}

impl SshKey {
    /// What a public key is: its type and its base64, without the comment that MAAS may keep or not.
    fn identity(text: &str) -> Vec<String> {
        text.split_whitespace().take(2).map(str::to_owned).collect()
    }

    async fn is_registered(&self, maas: &Client, key: &str) -> Result<bool, Error> {
        let known = maas.ssh_keys().list().await.attempt("list the SSH keys")?;
        let wanted = Self::identity(key);
        Ok(known.iter().any(|key| Self::identity(&key.key) == wanted))
    }
}

#[async_trait]
impl Step for SshKey {
    type Needs = (Client,);
    /// The public key in OpenSSH's format.
    type Output = String;

    fn id(&self) -> StepId {
        "maas.ssh-key".into()
    }

    fn about(&self) -> String {
        "make an SSH key and register it".to_owned()
    }

    async fn observe(
        &self,
        (maas,): &(Client,),
        _: &Context,
    ) -> Result<Observation<String>, Error> {
        let path = &self.site.config.ssh.maas_key;
        let Some(key) = keys::observe(&self.site.host.files, path)
            .await
            .attempt("read the SSH key")?
        else {
            return Ok(Observation::absent(format!(
                "there is no SSH key {}",
                path.display()
            )));
        };
        Ok(if self.is_registered(maas, &key.text).await? {
            Observation::Satisfied(key.text)
        } else {
            Observation::absent("the SSH key is not registered in MAAS")
        })
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let path = &self.site.config.ssh.maas_key;
        let files = &self.site.host.files;
        if keys::observe(files, path)
            .await
            .attempt("read the SSH key")?
            .is_none()
        {
            create(cx, "SSH key file").await?;
        }
        let key = keys::ensure(files, path, &cx.owner_mark())
            .await
            .attempt("make the SSH key")?;
        // MAAS refuses a key that it has, and one that somebody else registered stays theirs.
        if self.is_registered(maas, &key.text).await? {
            return Ok(());
        }
        create(cx, "SSH key in MAAS").await?;
        maas.ssh_keys()
            .create(&key.text)
            .await
            .attempt("register the SSH key")
            .map(drop)
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let path = &self.site.config.ssh.maas_key;
        let files = &self.site.host.files;
        let mut removed = Vec::new();
        let key = keys::observe(files, path)
            .await
            .attempt("read the SSH key")?;
        if created(cx, "SSH key in MAAS")
            && let Some(key) = &key
        {
            for known in maas.ssh_keys().list().await.attempt("list the SSH keys")? {
                if Self::identity(&known.key) == Self::identity(&key.text) {
                    cx.intend("delete the SSH key in MAAS").await?;
                    maas.ssh_keys()
                        .delete(known.id)
                        .await
                        .attempt("delete the SSH key in MAAS")?;
                    removed.push("our SSH key in MAAS".to_owned());
                }
            }
        }
        if created(cx, "SSH key file") && key.is_some() {
            cx.intend("delete the SSH key's files").await?;
            files.remove(path).await.attempt("delete the SSH key")?;
            files
                .remove(path.with_extension("pub"))
                .await
                .attempt("delete the SSH key's public half")?;
            removed.push(format!("{} and its public half", path.display()));
        }
        Ok(crate::steps::removed(removed))
    }
}
