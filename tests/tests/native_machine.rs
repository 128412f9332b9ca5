//! What we render for a native bootstrap, on a real systemd: cloud-init's part, the script, the unit, an agent that checks what it is
//! given as the real one does, and the first contact from outside.
//!
//! The agent and cloud-init are stand-ins (`tests/peers/juju`); bash, openssl, tar, PyYAML, systemd and TLS are real.
#![allow(clippy::disallowed_types)] // Tests start their peers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use cloudboot::juju_bootstrap::{
    Agent, Bootstrap, Cloud, GivenKeys, Keys, MaasCloud, ProofKey, UserData, render, trouble,
};
use cloudboot_tests::peer;
use secrecy::ExposeSecret as _;

const CONF: &str = "/var/lib/juju/agents/machine-0/agent.conf";
const PARAMS: &str = "/var/lib/juju/bootstrap-params";
const TOOLS: &str = "/var/lib/juju/tools/4.0.15-ubuntu-amd64/downloaded-tools.txt";
const OUTPUT: &str = "/var/log/cloud-init-output.log";
const LOG: &str = "/var/log/juju/machine-0.log";
const PASSWORD: &str = "the first: \"password\"\n&|\\ \u{e9}";
/// Where the child finds what to do.
const ORDER: &str = "CLOUDBOOT_TESTS_CONTACT";

/// The machine.
struct Machine {
    pid: String,
    root: PathBuf,
    agent: Agent,
}

impl Machine {
    fn new(pid: String) -> Self {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let place = Agent::new("4.0.15", "file:///srv/agent.tgz".parse().unwrap(), "", 1);
        let mut machine = Self {
            pid,
            root,
            agent: place,
        };
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/juju");
        for (name, to) in [("jujud", "/srv/jujud"), ("cloud-init", "/srv/cloud-init")] {
            std::fs::copy(peers.join(name), machine.at(to)).unwrap();
        }
        if !machine.at("/usr/bin/curl").exists() {
            // The Debian of the peer has none; what it is asked for is a file.
            let curl = "#!/bin/bash\n[ \"$*\" = \"-sSfL --connect-timeout 20 --retry 3 -o ${7} ${8}\" ] || { echo \"curl: $*\" >&2; exit 2; }\nexec cp \"${8#file://}\" \"$7\"\n";
            std::fs::write(machine.at("/usr/local/bin/curl"), curl).unwrap();
            machine.run(&["chmod", "755", "/usr/local/bin/curl"]);
        }
        machine.run(&["cp", "/srv/jujud", "/srv/jujuc"]);
        machine.run(&[
            "tar",
            "czf",
            "/srv/agent.tgz",
            "-C",
            "/srv",
            "jujud",
            "jujuc",
        ]);
        let archive = std::fs::read(machine.at("/srv/agent.tgz")).unwrap();
        let sum = machine.enter(&["sha256sum", "/srv/agent.tgz"]).stdout;
        machine.agent.sha256 = String::from_utf8_lossy(&sum[..64]).into_owned();
        machine.agent.size = archive.len() as u64;
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    fn enter(&self, args: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["-t", &self.pid, "-a", "--"])
            .args(args)
            .output()
            .unwrap()
    }

    fn run(&self, args: &[&str]) {
        let output = self.enter(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// As it was before.
    fn clean(&self) {
        self.enter(&[
            "systemctl",
            "stop",
            "native.service",
            "jujud-machine-0.service",
        ]);
        self.enter(&["systemctl", "disable", "jujud-machine-0.service"]);
        self.enter(&["systemctl", "reset-failed"]);
        self.run(&["bash", "-c", "rm -rf /var/lib/juju /var/log/juju /etc/systemd/system/jujud-machine-0.service /usr/local/sbin/native-bootstrap /var/lib/cloud /var/log/cloud-init-output.log; systemctl daemon-reload; mkdir -p /var/lib/cloud/instance"]);
    }

    /// cloud-init's part, as a unit of its own; whether it has ended well, or none while it goes on.
    fn boot(&self, data: &UserData, patience: Duration) -> Option<bool> {
        let path = "/var/lib/cloud/instance/user-data.txt";
        std::fs::write(self.at(path), data.to_cloud_config().expose_secret()).unwrap();
        self.start(&["/srv/cloud-init", path], patience)
    }

    fn start(&self, command: &[&str], patience: Duration) -> Option<bool> {
        let output = format!("StandardOutput=append:{OUTPUT}");
        let error = format!("StandardError=append:{OUTPUT}");
        let mut args = vec![
            "systemd-run",
            "-q",
            "--unit=native",
            "-p",
            "RemainAfterExit=yes",
        ];
        args.extend(["-p", &output, "-p", &error]);
        args.extend(command);
        self.run(&args);
        let until = Instant::now() + patience;
        loop {
            let state = self.enter(&["systemctl", "show", "-P", "SubState", "native.service"]);
            match String::from_utf8_lossy(&state.stdout).trim() {
                "exited" => return Some(true),
                "failed" => return Some(false),
                _ if Instant::now() > until => return None,
                _ => {}
            }
            if self.read(LOG).contains("ERROR") || self.read(LOG).contains("terminated") {
                return None;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn bootstrap(&self, keys: Keys) -> Bootstrap {
        let cloud = Cloud::Maas(MaasCloud {
            name: "maas".into(),
            endpoint: "http://10.42.0.1:5240/MAAS".parse().unwrap(),
            credential: "admin".into(),
            api_key: "consumer:token:secret".into(),
        });
        let agent = self.agent.clone();
        let wanted = Bootstrap::new("native", agent, cloud, "abc123", PASSWORD.into(), keys);
        wanted.check().unwrap();
        wanted
    }

    /// The first contact, from a process in the machine's network.
    fn contact(&self, key: &[u8]) -> Result<String, String> {
        let output = Command::new("nsenter")
            .args(["-t", &self.pid, "-n", "--"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(ORDER, hex::encode(key))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match text
            .split_once("CA:")
            .map(|(_, rest)| rest.split_once(":END"))
        {
            Some(Some((ca, _))) => Ok(ca.to_owned()),
            _ => Err(text),
        }
    }

    fn conf(&self) -> BTreeMap<String, serde_json::Value> {
        let text = self.read(CONF);
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter_map(|(key, value)| Some((key.to_owned(), serde_json::from_str(value).ok()?)))
            .collect()
    }
}

/// The child in the machine's network.
#[tokio::test]
#[ignore = "started by the other test"]
async fn child() {
    let Ok(key) = std::env::var(ORDER) else {
        return;
    };
    let key = hex::decode(key).unwrap();
    let soon = Duration::from_secs(10);
    match juju_client::first_contact("127.0.0.1:17070", &key, None, soon).await {
        Ok(ca) => println!("CA:{ca}:END"),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

/// The file of a path, changed.
fn changed(data: &UserData, path: &str, change: impl Fn(&str) -> String) -> UserData {
    let mut data = data.clone();
    let file = data
        .files
        .iter_mut()
        .find(|file| file.path == path)
        .unwrap();
    let text = file.content.expose_secret().to_owned();
    let now = change(&text);
    assert_ne!(now, text, "{path} is changed");
    file.content = now.into();
    data
}

fn given() -> Keys {
    let made = juju_client::testing::Identity::generate().unwrap();
    Keys::Given(Box::new(GivenKeys {
        ca_cert: made.ca_cert,
        ca_key: made.ca_key.into(),
        cert: made.cert,
        key: made.key.into(),
    }))
}

/// One test: the machine is one.
#[test]
fn what_is_rendered_comes_up_and_what_is_wrong_is_told() {
    let Some(pid) = peer("systemd") else { return };
    let machine = Machine::new(pid);
    comes_up_with_keys_of_its_own(&machine);
    comes_up_with_given_keys(&machine);
    is_taken_up_again_half_done(&machine);
    tells_what_is_wrong(&machine);
    machine.clean();
}

fn comes_up_with_keys_of_its_own(machine: &Machine) {
    machine.clean();
    let proof = ProofKey::new();
    let data = render(&machine.bootstrap(Keys::OnMachine(proof.clone())));
    let done = machine.boot(&data, Duration::from_secs(60));
    assert_eq!(
        done,
        Some(true),
        "{}\n{}",
        machine.read(OUTPUT),
        machine.read(LOG)
    );

    let ca = machine.contact(proof.expose()).unwrap();
    let conf = machine.conf();
    let same = |one: &str, other: &str| {
        let body = |pem: &str| pem.split_whitespace().collect::<String>();
        body(one) == body(other)
    };
    assert!(
        same(&ca, conf["cacert"].as_str().unwrap()),
        "{ca}\n{conf:?}"
    );
    let error = machine.contact(b"another key").unwrap_err();
    assert!(error.contains("Forbidden"), "{error}");

    // Of what was secret in the user data, nothing is left.
    assert!(!conf.contains_key("oldpassword"));
    for path in [
        PARAMS,
        "/var/lib/cloud/instance/user-data.txt",
        "/usr/local/sbin/native-bootstrap",
        "/var/lib/juju/.keys",
    ] {
        assert!(!machine.at(path).exists(), "{path}");
    }
    let grep = [
        "grep",
        "-rls",
        "first: .password",
        "/var/lib/juju",
        "/var/lib/cloud",
        "/etc",
        "/usr/local",
    ];
    assert_eq!(String::from_utf8_lossy(&machine.enter(&grep).stdout), "");
    machine.run(&["systemctl", "is-enabled", "-q", "jujud-machine-0.service"]);
}

fn comes_up_with_given_keys(machine: &Machine) {
    machine.clean();
    let data = render(&machine.bootstrap(given()));
    let done = machine.boot(&data, Duration::from_secs(60));
    assert_eq!(
        done,
        Some(true),
        "{}\n{}",
        machine.read(OUTPUT),
        machine.read(LOG)
    );
}

/// The script is run again after it was cut short: with the same keys, and without the database of the failed try.
fn is_taken_up_again_half_done(machine: &Machine) {
    machine.clean();
    let proof = ProofKey::new();
    let data = render(&machine.bootstrap(Keys::OnMachine(proof.clone())));
    std::fs::write(machine.at("/run/jujud-fails"), "").unwrap();
    assert_eq!(machine.boot(&data, Duration::from_secs(60)), Some(false));
    assert!(
        machine
            .read(OUTPUT)
            .contains("could not set up the controller"),
        "{}",
        machine.read(OUTPUT)
    );
    assert!(machine.at("/var/lib/juju/dqlite").exists());
    let before = machine.conf();
    std::fs::remove_file(machine.at("/run/jujud-fails")).unwrap();
    machine.enter(&["systemctl", "stop", "native.service"]);
    machine.enter(&["systemctl", "reset-failed"]);
    let again = machine.start(
        &["/usr/local/sbin/native-bootstrap"],
        Duration::from_secs(60),
    );
    assert_eq!(
        again,
        Some(true),
        "{}\n{}",
        machine.read(OUTPUT),
        machine.read(LOG)
    );
    assert_eq!(machine.conf()["cacert"], before["cacert"]);
    machine.contact(proof.expose()).unwrap();
}

/// What was changed, what the agent said, what we say.
fn tells_what_is_wrong(machine: &Machine) {
    let sound = render(&machine.bootstrap(given()));
    let without = |path: &'static str, field: &'static str| {
        move |data: &UserData| {
            changed(data, path, |text| {
                let quoted = format!("\"{field}\":");
                let plain = format!("{field}: ");
                let mut inside = false;
                let kept: Vec<&str> = text
                    .lines()
                    .filter(|line| {
                        let trimmed = line.trim_start();
                        // A value that is a map ends at its brace.
                        if inside {
                            inside = !trimmed.starts_with('}');
                            return false;
                        }
                        let hit = line.starts_with(&plain) || trimmed.starts_with(&quoted);
                        inside = hit && trimmed.ends_with('{');
                        !hit
                    })
                    .collect();
                kept.join("\n") + "\n"
            })
        }
    };
    type Change<'a> = Box<dyn Fn(&UserData) -> UserData + 'a>;
    let mut cases: Vec<(String, Change<'_>)> = Vec::new();
    for field in [
        "tag",
        "controller",
        "model",
        "cacert",
        "controllercert",
        "controllerkey",
        "oldpassword",
        "nonce",
        "apiaddresses",
    ] {
        cases.push((
            format!("agent.conf without {field}"),
            Box::new(without(CONF, field)),
        ));
    }
    for field in [
        "agent-version",
        "uuid",
        "custom-image-metadata",
        "controller-cloud",
        "controller-cloud-credential",
        "controller-cloud-credential-name",
        "controller-charm-channel",
        "bootstrap-machine-instance-id",
    ] {
        cases.push((
            format!("bootstrap-params without {field}"),
            Box::new(without(PARAMS, field)),
        ));
    }
    let replace = |path: &'static str, from: &'static str, to: &'static str| -> Change<'static> {
        Box::new(move |data| changed(data, path, |text| text.replace(from, to)))
    };
    cases.push((
        "a wrong nonce".into(),
        replace(CONF, "user-admin:bootstrap", "user-admin:boot"),
    ));
    cases.push((
        "a SEC1 key of the CA".into(),
        Box::new(|data| {
            changed(data, CONF, |text| {
                let line = text
                    .lines()
                    .find(|line| line.starts_with("caprivatekey:"))
                    .unwrap();
                text.replace(line, &line.replace("PRIVATE KEY", "EC PRIVATE KEY"))
            })
        }),
    ));
    cases.push((
        "an endpoint without /MAAS".into(),
        replace(PARAMS, "5240/MAAS", "5240/"),
    ));
    cases.push((
        "another archive's sha256 told".into(),
        replace(TOOLS, "\"sha256\":\"", "\"sha256\":\"0"),
    ));

    let mut told = Vec::new();
    for (what, change) in cases {
        machine.clean();
        let done = machine.boot(&change(&sound), Duration::from_secs(20));
        let log = format!("{}\n{}", machine.read(OUTPUT), machine.read(LOG));
        assert_ne!(done, Some(true), "{what}: {log}");
        let said = trouble::explain(&log)
            .map_or_else(|| format!("NOTHING of\n{log}"), |(why, _)| why.to_owned());
        told.push(format!("{what}: {said}"));
    }
    insta::assert_snapshot!(told.join("\n"));
}
