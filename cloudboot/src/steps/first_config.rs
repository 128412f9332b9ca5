//! Stage 5: The first configuration: DNS, the image and its import, the SSH key, the machines' network.
//!
//! The thesis: `first_time_config()`, `ip_range()`, `maas_ssh_key()`, `set_gateway_ip()`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maas_client::{
    Client, IpRangeParams, IpRangeType, SelectionParams, SubnetId, SubnetParams, SystemId, VlanId,
    VlanParams,
};

use super::{Attempt as _, Site, create, created};
use crate::engine::{Context, Deadline, Error, Observation, Polled, Step, StepId, Undo};
use crate::host::keys;

/// The name servers that the region forwards to, and the proxy that it goes out through.
pub struct Dns {
    pub(super) site: Arc<Site>,
}

impl Dns {
    /// The region's settings by name, as MAAS reads them.
    fn wanted(&self) -> Vec<(&'static str, String)> {
        let config = &self.site.config;
        let servers: Vec<String> = config.maas.dns.iter().map(ToString::to_string).collect();
        let mut wanted = vec![("upstream_dns", servers.join(" "))];
        if let Some(proxy) = &config.proxy.http {
            wanted.push(("http_proxy", proxy.to_string()));
        }
        wanted
    }

    async fn read(&self, maas: &Client, name: &str) -> Result<String, Error> {
        let found = maas
            .config()
            .get_text(name)
            .await
            .attempt(&format!("read {name}"))?;
        Ok(found.unwrap_or_default())
    }
}

#[async_trait]
impl Step for Dns {
    type Needs = (Client,);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.dns".into()
    }

    fn about(&self) -> String {
        let set: Vec<String> = self
            .wanted()
            .into_iter()
            .map(|(name, value)| format!("{name} to {value}"))
            .collect();
        format!("set {}", set.join(" and "))
    }

    async fn observe(&self, (maas,): &(Client,), _: &Context) -> Result<Observation<()>, Error> {
        let mut differs = Vec::new();
        for (name, wanted) in self.wanted() {
            let found = self.read(maas, name).await?;
            if found != wanted {
                differs.push(format!(
                    "{name} is {}, not {wanted}",
                    if found.is_empty() { "not set" } else { &found }
                ));
            }
        }
        Ok(if differs.is_empty() {
            Observation::Satisfied(())
        } else {
            Observation::drifted(differs)
        })
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let known = cx.things_made(cx.step().clone());
        for (name, wanted) in self.wanted() {
            let before = self.read(maas, name).await?;
            if before == wanted {
                continue;
            }
            cx.intend(format!("set {name} to {wanted}")).await?;
            // What was there before anything of ours is what teardown gives back.
            if !known.iter().any(|made| made.what == name) {
                cx.made(name, before).await?;
            }
            maas.config()
                .set(name, wanted)
                .await
                .attempt(&format!("set {name}"))?;
        }
        Ok(())
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let mut removed = Vec::new();
        for made in cx.things_made(cx.step().clone()) {
            cx.intend(format!("restore {}", made.what)).await?;
            maas.config()
                .set(&made.what, made.id.clone())
                .await
                .attempt(&format!("restore {}", made.what))?;
            removed.push(format!("our {}", made.what));
        }
        Ok(super::removed(removed))
    }
}

/// The key that MAAS puts on every machine.
pub struct SshKey {
    pub(super) site: Arc<Site>,
}

impl SshKey {
    /// What a public key is: its type and its base64, without the comment that MAAS may keep or not.
    fn identity(text: &str) -> Vec<String> {
        text.split_whitespace().take(2).map(str::to_owned).collect()
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
        let registered = maas.ssh_keys().list().await.attempt("list the SSH keys")?;
        Ok(
            if registered
                .iter()
                .any(|known| Self::identity(&known.key) == Self::identity(&key.text))
            {
                Observation::Satisfied(key.text)
            } else {
                Observation::absent("the SSH key is not registered in MAAS")
            },
        )
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
        Ok(super::removed(removed))
    }
}

/// The image that machines are commissioned and deployed with: selected, and its import begun.
pub struct SelectImage {
    pub(super) site: Arc<Site>,
}

/// The intent of the first import.
const BEGIN_IMPORT: &str = "begin the import";
const COMMISSIONING_SERIES: &str = "commissioning_distro_series";

impl SelectImage {
    /// The source: the configured mirror, else the first that the region has. Its number is not assumed.
    async fn source(&self, maas: &Client) -> Result<Option<maas_client::BootSource>, Error> {
        let sources = maas
            .boot_sources()
            .list()
            .await
            .attempt("list the image sources")?;
        Ok(match &self.site.config.mirrors.images {
            Some(mirror) => sources.into_iter().find(|source| {
                source.url.trim_end_matches('/') == mirror.url.as_str().trim_end_matches('/')
            }),
            None => sources.into_iter().next(),
        })
    }

    async fn is_selected(
        &self,
        maas: &Client,
        source: &maas_client::BootSource,
    ) -> Result<bool, Error> {
        let config = &self.site.config.maas;
        let selections = maas
            .boot_sources()
            .selections(source.id)
            .await
            .attempt("list the selected images")?;
        let covers =
            |have: &[String], want: &String| have.iter().any(|arch| arch == "*" || arch == want);
        Ok(selections.iter().any(|selection| {
            selection.os == "ubuntu"
                && selection.release == config.image_release
                && config
                    .image_arches
                    .iter()
                    .all(|arch| covers(&selection.arches, arch))
        }))
    }

    async fn is_there(&self, maas: &Client) -> Result<bool, Error> {
        let name = format!("ubuntu/{}", self.site.config.maas.image_release);
        let resources = maas
            .boot_resources()
            .list()
            .await
            .attempt("list the images")?;
        Ok(resources.iter().any(|resource| resource.name == name))
    }
}

#[async_trait]
impl Step for SelectImage {
    type Needs = (Client,);
    type Output = ();

    fn id(&self) -> StepId {
        "maas.images".into()
    }

    fn about(&self) -> String {
        format!(
            "select the image {} and begin its import",
            self.site.config.maas.image_release
        )
    }

    fn deadline(&self) -> Deadline {
        self.site.deadline("maas.images", Deadline::minutes(10, 20))
    }

    fn estimate(&self) -> Option<Duration> {
        Some(Duration::from_secs(42))
    }

    async fn observe(&self, (maas,): &(Client,), cx: &Context) -> Result<Observation<()>, Error> {
        let Some(source) = self.source(maas).await? else {
            return Ok(Observation::absent("the region has no such image source"));
        };
        let release = &self.site.config.maas.image_release;
        if !self.is_selected(maas, &source).await? {
            return Ok(Observation::absent(format!("{release} is not selected")));
        }
        let series = maas
            .config()
            .get_text(COMMISSIONING_SERIES)
            .await
            .attempt("read the commissioning series")?;
        // An import that we began and that has ended without the image is the next step's matter.
        let begun = cx
            .own_intents()
            .iter()
            .any(|intent| intent.what == BEGIN_IMPORT);
        if !begun
            && !self.is_there(maas).await?
            && !maas
                .boot_resources()
                .is_importing()
                .await
                .attempt("ask whether the region imports")?
        {
            return Ok(Observation::absent(format!(
                "{release} is selected, and neither there nor being imported"
            )));
        }
        Ok(
            if series.as_deref() == Some(release) || !self.is_there(maas).await? {
                Observation::Satisfied(())
            } else {
                Observation::drifted([format!(
                    "machines are commissioned with {}, not {release}",
                    series.unwrap_or_default()
                )])
            },
        )
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let config = &self.site.config.maas;
        let source = match (self.source(maas).await?, &self.site.config.mirrors.images) {
            (Some(source), _) => source,
            (None, Some(mirror)) => {
                create(cx, &format!("image source {}", mirror.url)).await?;
                let keyring = mirror
                    .keyring
                    .as_ref()
                    .map(|path| path.display().to_string());
                let keyring = keyring
                    .as_deref()
                    .unwrap_or("/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg");
                maas.boot_sources()
                    .create(mirror.url.as_str(), keyring)
                    .await
                    .attempt("create the image source")?
            }
            (None, None) => {
                return Err(
                    Error::transient("find the image source", "the region has none yet")
                        .next("set mirrors.images.url"),
                );
            }
        };
        if !self.is_selected(maas, &source).await? {
            let arches: Vec<&str> = config.image_arches.iter().map(String::as_str).collect();
            let selection = SelectionParams::ubuntu(&config.image_release, &arches);
            create(cx, &format!("image selection {}", config.image_release)).await?;
            // The source's list is fetched in the background: until it is there, the region knows no release.
            cx.waiting("the image source's list", self.deadline())
                .advice("look whether the controller reaches the image source, or set mirrors.images.url")
                .poll(async || match maas.boot_sources().create_selection(source.id, &selection).await {
                    Ok(_) => Ok(Polled::Done(())),
                    Err(error) if error.is_images_unknown() => Ok(Polled::pending("the region has not fetched it yet")),
                    // One that was made by a request whose answer was lost.
                    Err(_) if self.is_selected(maas, &source).await? => Ok(Polled::Done(())),
                    Err(error) => Err(error).attempt("select the image"),
                })
                .await?;
        }
        if !self.is_there(maas).await? {
            if !maas
                .boot_resources()
                .is_importing()
                .await
                .attempt("ask whether the region imports")?
            {
                cx.intend(BEGIN_IMPORT).await?;
                maas.boot_resources()
                    .import()
                    .await
                    .attempt("begin the import")?;
            }
            return Ok(());
        }
        let before = maas
            .config()
            .get_text(COMMISSIONING_SERIES)
            .await
            .attempt("read the commissioning series")?;
        if before.as_deref() != Some(&config.image_release) {
            cx.intend("set the commissioning series").await?;
            maas.config()
                .set(COMMISSIONING_SERIES, config.image_release.as_str())
                .await
                .attempt("set the commissioning series")?;
        }
        Ok(())
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let release = &self.site.config.maas.image_release;
        if !created(cx, &format!("image selection {release}")) {
            return Ok(Undo::kept(format!("{release} was selected before")));
        }
        let Some(source) = self.source(maas).await? else {
            return Ok(Undo::NothingToDo);
        };
        let mut removed = Vec::new();
        for selection in maas
            .boot_sources()
            .selections(source.id)
            .await
            .attempt("list the selected images")?
        {
            if selection.os == "ubuntu" && selection.release == *release {
                cx.intend(format!("delete image selection {release}"))
                    .await?;
                maas.boot_sources()
                    .delete_selection(source.id, selection.id)
                    .await
                    .attempt("delete the selection")?;
                removed.push(format!("the selection of {release}"));
            }
        }
        Ok(super::removed(removed))
    }
}

/// The machines' network as MAAS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineNetwork {
    /// Its subnet.
    pub subnet: SubnetId,
    /// The space that the subnet is in, `undefined` for none.
    pub space: String,
    /// Its VLAN.
    pub vlan: VlanId,
    /// The rack controller that serves DHCP on it.
    pub rack: SystemId,
}

/// The dynamic range, DHCP and the gateway of the machines' network.
pub struct Network {
    pub(super) site: Arc<Site>,
}

/// What MAAS has of the network, before it is judged.
struct Found {
    subnet: maas_client::Subnet,
    vlan: maas_client::Vlan,
    rack: SystemId,
    range: bool,
}

impl Network {
    /// `Err` is what is missing, in a sentence: the rack tells the region its networks only after a while.
    async fn look(&self, maas: &Client) -> Result<Result<Found, String>, Error> {
        let dhcp = &self.site.config.maas.dhcp;
        let cidr = dhcp.cidr.trunc().to_string();
        let subnets = maas.subnets().list().await.attempt("list the subnets")?;
        let Some(subnet) = subnets.into_iter().find(|subnet| subnet.cidr == cidr) else {
            return Ok(Err(format!(
                "no rack controller has told the region of a subnet {cidr}"
            )));
        };
        let Some(vlan) = subnet.vlan.clone() else {
            return Ok(Err(format!("the subnet {cidr} has no VLAN")));
        };
        let racks = maas
            .racks()
            .list()
            .await
            .attempt("list the rack controllers")?;
        // Several racks: the one that has an interface on this VLAN serves it.
        let on_vlan = |rack: &&maas_client::Controller| {
            rack.interface_set
                .iter()
                .any(|nic| nic.vlan.as_ref().is_some_and(|on| on.id == vlan.id))
        };
        let Some(rack) = racks
            .iter()
            .find(on_vlan)
            .or_else(|| racks.first().filter(|_| racks.len() == 1))
        else {
            return Ok(Err(format!(
                "no rack controller has an interface on the VLAN of {cidr}"
            )));
        };
        let (start, end) = (
            dhcp.ip_range.start.to_string(),
            dhcp.ip_range.end.to_string(),
        );
        let ranges = maas
            .ip_ranges()
            .list()
            .await
            .attempt("list the IP ranges")?;
        let range = ranges.iter().any(|range| {
            range.r#type == IpRangeType::Dynamic && range.start_ip == start && range.end_ip == end
        });
        Ok(Ok(Found {
            rack: rack.system_id.clone(),
            range,
            subnet,
            vlan,
        }))
    }

    fn differences(&self, found: &Found) -> Vec<String> {
        let dhcp = &self.site.config.maas.dhcp;
        let mut missing = Vec::new();
        if !found.range {
            missing.push(format!(
                "there is no dynamic range {} to {}",
                dhcp.ip_range.start, dhcp.ip_range.end
            ));
        }
        if found.subnet.gateway_ip.as_deref() != Some(dhcp.gateway.to_string().as_str()) {
            missing.push(format!(
                "the subnet's gateway is {}, not {}",
                found.subnet.gateway_ip.as_deref().unwrap_or("not set"),
                dhcp.gateway
            ));
        }
        if !found.vlan.dhcp_on {
            missing.push("DHCP is off".to_owned());
        }
        missing
    }
}

#[async_trait]
impl Step for Network {
    type Needs = (Client,);
    type Output = MachineNetwork;

    fn id(&self) -> StepId {
        "maas.network".into()
    }

    fn about(&self) -> String {
        format!("serve DHCP on {}", self.site.config.maas.dhcp.cidr)
    }

    fn deadline(&self) -> Deadline {
        self.site
            .deadline("maas.network", Deadline::minutes(10, 20))
    }

    async fn observe(
        &self,
        (maas,): &(Client,),
        _: &Context,
    ) -> Result<Observation<MachineNetwork>, Error> {
        let found = match self.look(maas).await? {
            Ok(found) => found,
            Err(missing) => return Ok(Observation::absent(missing)),
        };
        if let Some(relay) = &found.vlan.relay_vlan {
            return Ok(Observation::needs_operator(format!(
                "the VLAN of {} relays its DHCP to VLAN {}: the mission serves DHCP itself; remove the relay, or give maas.dhcp the \
                 network that the machines boot from",
                self.site.config.maas.dhcp.cidr, relay.vid
            )));
        }
        let missing = self.differences(&found);
        Ok(if missing.is_empty() {
            Observation::Satisfied(MachineNetwork {
                subnet: found.subnet.id,
                space: found.subnet.space.clone(),
                vlan: found.vlan.id,
                rack: found.vlan.primary_rack.clone().unwrap_or(found.rack),
            })
        } else {
            Observation::absent(missing.join("; "))
        })
    }

    async fn apply(&self, (maas,): &(Client,), cx: &Context) -> Result<(), Error> {
        let dhcp = &self.site.config.maas.dhcp;
        let found = cx
            .wait(
                "the rack controller to tell its networks",
                self.deadline(),
                async || {
                    Ok(match self.look(maas).await? {
                        Ok(found) => Polled::Done(found),
                        Err(missing) => Polled::pending(missing),
                    })
                },
            )
            .await?;
        if !found.range {
            create(cx, "dynamic range").await?;
            let params = IpRangeParams::new()
                .start_ip(dhcp.ip_range.start.to_string())
                .end_ip(dhcp.ip_range.end.to_string())
                .subnet(found.subnet.id)
                .comment(cx.owner_mark());
            maas.ip_ranges()
                .create(IpRangeType::Dynamic, &params)
                .await
                .attempt("create the dynamic range")?;
        }
        let gateway = dhcp.gateway.to_string();
        if found.subnet.gateway_ip.as_deref() != Some(gateway.as_str()) {
            cx.intend(format!("set the subnet's gateway to {gateway}"))
                .await?;
            maas.subnets()
                .update(found.subnet.id, &SubnetParams::new().gateway_ip(gateway))
                .await
                .attempt("set the subnet's gateway")?;
        }
        if !found.vlan.dhcp_on {
            create(cx, "DHCP").await?;
            let params = VlanParams::new().dhcp_on(true).primary_rack(found.rack);
            maas.vlans()
                .update(found.vlan.id, &params)
                .await
                .attempt("turn DHCP on")?;
        }
        Ok(())
    }

    async fn undo(&self, (maas,): &(Client,), cx: &Context) -> Result<Undo, Error> {
        let Ok(found) = self.look(maas).await? else {
            return Ok(Undo::NothingToDo);
        };
        let mut removed = Vec::new();
        if created(cx, "DHCP") && found.vlan.dhcp_on {
            cx.intend("turn DHCP off").await?;
            maas.vlans()
                .update(found.vlan.id, &VlanParams::new().dhcp_on(false))
                .await
                .attempt("turn DHCP off")?;
            removed.push("DHCP".to_owned());
        }
        if created(cx, "dynamic range") {
            for range in maas
                .ip_ranges()
                .list()
                .await
                .attempt("list the IP ranges")?
            {
                if range.comment == cx.owner_mark() {
                    cx.intend("delete the dynamic range").await?;
                    maas.ip_ranges()
                        .delete(range.id)
                        .await
                        .attempt("delete the dynamic range")?;
                    removed.push("the dynamic range".to_owned());
                }
            }
        }
        Ok(super::removed(removed))
    }
}
