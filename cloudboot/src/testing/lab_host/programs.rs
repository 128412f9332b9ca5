//! The programs of the lab's host: apt-get, nft, ip, netplan and maas, played.

use std::sync::Arc;
use std::time::Duration;

use super::state::{Job, MaasRecord, Work};
use super::{Inner, network, nft, postgres, server};
use crate::host::Result;
use crate::host::exec::Output;

pub(crate) fn output(status: i32, stdout: impl Into<String>, stderr: impl Into<String>) -> Output {
    Output {
        status,
        stdout: stdout.into().into_bytes(),
        stderr: stderr.into().into_bytes(),
    }
}

/// Runs a program to its end, which for some is virtual minutes away.
pub(crate) async fn run(
    inner: &Arc<Inner>,
    program: &str,
    args: &[String],
    stdin: &str,
) -> Result<Output> {
    let work = match program {
        "nft" => {
            let mut state = inner.state();
            return Ok(if args.iter().any(|a| a == "-f") {
                nft::load(&mut state, stdin)
            } else {
                nft::list(&state, args)
            });
        }
        "ip" => return Ok(network::ip(&mut inner.state(), args)),
        "netplan" => return network::netplan(inner, args).await,
        "apt-get" if args.iter().any(|a| a == "--simulate") => {
            return simulate(inner, args).await;
        }
        "apt-get" => match apt(args) {
            Ok(work) => work,
            Err(failed) => return Ok(failed),
        },
        "maas" => match maas(inner, args, stdin).await? {
            Ok(work) => work,
            Err(failed) => return Ok(failed),
        },
        other => return Ok(output(127, "", format!("{other}: command not found"))),
    };
    let id = enqueue(inner, work);
    inner.changed();
    loop {
        server::tick(inner).await;
        let done = inner
            .state()
            .jobs
            .iter()
            .find(|j| j.id == id)
            .and_then(|j| j.output.clone());
        if let Some(output) = done {
            return Ok(output);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Starts a job, or joins the same one that goes on. apt's jobs wait for each other, as they share dpkg's lock.
fn enqueue(inner: &Inner, work: Work) -> u64 {
    let d = &inner.durations;
    let lasts = match &work {
        Work::AptUpdate => d.apt_update,
        Work::AptInstall(names) => names
            .iter()
            .map(|n| d.apt_install.get(n).copied().unwrap_or_default())
            .max()
            .unwrap_or_default(),
        Work::AptRemove { .. } => d.apt_remove,
        Work::MaasInit { .. } => d.maas_init,
        Work::MaasAdmin { .. } => d.maas_createadmin,
    };
    let key = match &work {
        Work::MaasInit { .. } => "maas init".to_owned(),
        Work::MaasAdmin { username, .. } => format!("maas createadmin {username}"),
        Work::AptUpdate => "apt update".to_owned(),
        Work::AptInstall(names) => format!("apt install {}", names.join(" ")),
        Work::AptRemove { names, .. } => format!("apt remove {}", names.join(" ")),
    };
    let now = inner.now();
    let mut state = inner.state();
    if let Some(job) = state
        .jobs
        .iter()
        .find(|j| j.key == key && j.output.is_none())
    {
        return job.id;
    }
    let locked = key.starts_with("apt ");
    let start = state
        .jobs
        .iter()
        .filter(|j| locked && j.output.is_none() && j.key.starts_with("apt "))
        .map(|j| j.due)
        .max()
        .map_or(now, |due| due.max(now));
    // Only the last runs are remembered.
    if state.jobs.len() > 50 {
        state.jobs.retain(|j| j.output.is_none());
    }
    let id = state.jobs.iter().map(|j| j.id).max().unwrap_or(0) + 1;
    state.jobs.push(Job {
        id,
        key,
        work,
        due: start + lasts,
        output: None,
    });
    id
}

fn apt(args: &[String]) -> std::result::Result<Work, Output> {
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "-o" {
            rest.next();
        } else if !arg.starts_with('-') {
            words.push(arg.clone());
        }
    }
    if !args.iter().any(|a| a == "-y") {
        return Err(output(
            1,
            "",
            "Abort. (the lab's apt-get has nobody to answer its question)",
        ));
    }
    let Some((verb, names)) = words.split_first() else {
        return Err(output(100, "", "E: Invalid operation"));
    };
    match verb.as_str() {
        "update" => Ok(Work::AptUpdate),
        "install" => match names.iter().find(|n| n.contains("no-such-package")) {
            Some(name) => Err(output(
                100,
                "",
                format!("E: Unable to locate package {name}"),
            )),
            None => Ok(Work::AptInstall(names.to_vec())),
        },
        "remove" | "purge" => Ok(Work::AptRemove {
            names: names.to_vec(),
            purge: verb == "purge",
        }),
        other => Err(output(100, "", format!("E: Invalid operation {other}"))),
    }
}

/// What apt-get says that it would do.
async fn simulate(inner: &Inner, args: &[String]) -> Result<Output> {
    let work = match apt(args) {
        Ok(work) => work,
        Err(failed) => return Ok(failed),
    };
    let status = inner.files.read_text(super::seed::DPKG).await?;
    let status = status.unwrap_or_default();
    let plain = |name: &String| name.split('=').next().unwrap_or_default().to_owned();
    let (word, names): (_, Vec<String>) = match work {
        Work::AptInstall(names) => {
            let missing = names.iter().map(plain).filter(|name| !has(&status, name));
            ("Inst", missing.collect())
        }
        Work::AptRemove { names, .. } => {
            let there = names.iter().map(plain).filter(|name| has(&status, name));
            ("Purg", there.collect())
        }
        _ => ("", Vec::new()),
    };
    let lines: String = names
        .iter()
        .map(|name| format!("{word} {name} (1.0 lab [amd64])\n"))
        .collect();
    Ok(output(0, lines, ""))
}

fn value_of<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|a| a == name)?;
    args.get(at + 1).map(String::as_str)
}

async fn maas(
    inner: &Inner,
    args: &[String],
    stdin: &str,
) -> Result<std::result::Result<Work, Output>> {
    if !inner.state().snaps.contains_key("maas") {
        return Ok(Err(output(127, "", "maas: command not found")));
    }
    let initialised = inner.state().maas.is_some();
    Ok(match args.first().map(String::as_str) {
        Some("init") => {
            let Some(url) = value_of(args, "--maas-url") else {
                return Ok(Err(output(
                    1,
                    "MAAS URL [default=http://10.42.0.1:5240/MAAS]: ",
                    "EOFError",
                )));
            };
            if initialised {
                // The real one asks for ever here.
                return Ok(Err(output(
                    1,
                    "Controller has already been initialized. Are you sure you want to initialize again (yes/no) [default=no]? ",
                    "EOF",
                )));
            }
            let database_uri = value_of(args, "--database-uri").map_or_else(
                || stdin.lines().next().unwrap_or_default().to_owned(),
                str::to_owned,
            );
            Ok(Work::MaasInit {
                url: url.to_owned(),
                database_uri,
            })
        }
        Some("createadmin") => {
            if !initialised {
                return Ok(Err(output(
                    1,
                    "",
                    "The 'createadmin' command is only available after MAAS has been initialized.",
                )));
            }
            let mut lines = stdin.lines();
            let (first, second) = (
                lines.next().unwrap_or_default(),
                lines.next().unwrap_or_default(),
            );
            match (value_of(args, "--username"), value_of(args, "--email")) {
                _ if first.is_empty() => Err(output(
                    1,
                    "Password: ",
                    "EmptyPassword: A password must be provided.",
                )),
                _ if first != second => Err(output(1, "", "CommandError: Passwords don't match")),
                (Some(username), Some(email)) => Ok(Work::MaasAdmin {
                    username: username.into(),
                    email: email.into(),
                    password: first.into(),
                }),
                _ => Err(output(
                    1,
                    "Username: ",
                    "EmptyUsername: A username must be provided.",
                )),
            }
        }
        _ => Err(output(2, "", "usage: maas [-h] COMMAND ...")),
    })
}

/// What a job does when its time has come.
pub(crate) async fn finish(inner: &Inner, work: &Work) -> Result<Output> {
    match work {
        Work::AptUpdate => Ok(output(0, "Reading package lists...\n", "")),
        Work::AptInstall(names) => {
            let mut status = inner
                .files
                .read_text(super::seed::DPKG)
                .await?
                .unwrap_or_default();
            for name in names {
                let (name, version) = name
                    .split_once('=')
                    .map_or((name.as_str(), None), |(n, v)| (n, Some(v)));
                if has(&status, name) {
                    continue;
                }
                let version = version.unwrap_or(match name {
                    "postgresql-14" => "14.11-0ubuntu0.22.04.1",
                    _ => "1.0-1",
                });
                status.push_str(&format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"));
                inner.state().count(format!("package:{name}"));
                inner
                    .files
                    .write(super::seed::DPKG, status.clone(), None)
                    .await?;
                inner.world.package_installed(name).await;
            }
            Ok(output(0, "Setting up ...\n", ""))
        }
        Work::AptRemove { names, purge } => {
            let status = inner
                .files
                .read_text(super::seed::DPKG)
                .await?
                .unwrap_or_default();
            let kept: Vec<&str> = status
                .split_inclusive("\n\n")
                .filter(|p| !names.iter().any(|n| has(p, n)))
                .collect();
            let kept = kept.concat();
            inner
                .files
                .write(super::seed::DPKG, kept.clone(), None)
                .await?;
            if *purge && !kept.contains("Package: postgresql") {
                let mut state = inner.state();
                state.roles.clear();
                state.databases.clear();
            }
            Ok(output(0, "Removing ...\n", ""))
        }
        Work::MaasInit { url, database_uri } => {
            let refused = postgres::login(&inner.state(), database_uri).err();
            if let Some(refused) = refused {
                return Ok(output(
                    1,
                    "",
                    format!("Database connection failed: {refused}"),
                ));
            }
            if let Err(e) = inner.world.maas_initialised(url, database_uri).await {
                return Ok(output(1, "", e));
            }
            let parsed = url::Url::parse(database_uri).ok();
            let (user, host) = parsed.as_ref().map_or(("maas", "localhost"), |u| {
                (u.username(), u.host_str().unwrap_or("localhost"))
            });
            let name = parsed
                .as_ref()
                .map_or("maas", |u| u.path().trim_start_matches('/'));
            let conf = format!(
                "database_host: {host}\ndatabase_name: {name}\ndatabase_port: 5432\ndatabase_user: {user}\nmaas_url: {url}\n"
            );
            inner
                .files
                .write("/var/snap/maas/current/regiond.conf", conf, Some(0o600))
                .await?;
            inner
                .files
                .write("/var/snap/maas/common/snap_mode", "region+rack", None)
                .await?;
            let mut state = inner.state();
            if state.maas.is_none() {
                state.count("maas-init");
            }
            state.maas = Some(MaasRecord {
                url: url.clone(),
                admins: Vec::new(),
            });
            Ok(output(0, "MAAS has been set up.\n", ""))
        }
        Work::MaasAdmin {
            username,
            email,
            password,
        } => {
            let there = inner
                .state()
                .maas
                .as_ref()
                .is_some_and(|m| m.admins.contains(username));
            if there {
                return Ok(output(
                    1,
                    "",
                    format!("AlreadyExistingUser: A user with the email {email} already exists."),
                ));
            }
            if let Err(e) = inner
                .world
                .maas_admin_created(username, email, password)
                .await
            {
                return Ok(output(1, "", e));
            }
            let mut state = inner.state();
            state.count(format!("maas-admin:{username}"));
            if let Some(maas) = &mut state.maas {
                maas.admins.push(username.clone());
            }
            Ok(output(0, "", ""))
        }
    }
}

fn has(status: &str, name: &str) -> bool {
    let header = format!("Package: {name}");
    status.lines().any(|l| l == header)
}
