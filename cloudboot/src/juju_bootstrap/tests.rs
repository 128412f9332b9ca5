//! What is rendered, against the files of a real controller.

use std::collections::BTreeSet;

use base64::Engine as _;

use super::*;

const SHA: &str = "b8f0a6f0a5a0e1d8bf7e7d4d0a5f7c3de1f0c9b8a7968574635241302f1e0d0c";
const CONTROLLER: &str = "11111111-1111-4111-8111-111111111111";
const MODEL: &str = "22222222-2222-4222-8222-222222222222";

fn bootstrap(keys: Keys) -> Bootstrap {
    let agent = Agent::new(
        "4.0.15",
        "https://streams.canonical.com/juju/tools/agent/4.0.15/juju-4.0.15-linux-amd64.tgz"
            .parse()
            .unwrap(),
        SHA,
        38_783_505,
    );
    let cloud = Cloud::Maas(MaasCloud {
        name: "maas".into(),
        endpoint: "http://maas.example:5240/MAAS".parse().unwrap(),
        credential: "native".into(),
        api_key: "first-consumer:first-token:first-secret".into(),
    });
    let mut wanted = Bootstrap::new(
        "native",
        agent,
        cloud,
        "abc123",
        "first-password".into(),
        keys,
    );
    wanted.controller_uuid = CONTROLLER.into();
    wanted.model_uuid = MODEL.into();
    wanted.hardware = (4, 8192);
    wanted
}

fn given() -> Keys {
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
    Keys::Given(Box::new(GivenKeys {
        ca_cert: pem("CERTIFICATE"),
        ca_key: pem("PRIVATE KEY").into(),
        cert: pem("CERTIFICATE"),
        key: pem("PRIVATE KEY").into(),
    }))
}

fn on_machine() -> Keys {
    Keys::OnMachine(ProofKey::from_hex(&"5a".repeat(32)).unwrap())
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// Every path of a document with the kind of its value, and its value where that is not a placeholder's.
fn structure(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            all.insert(format!("{at}: map"));
            for (key, value) in map {
                structure(value, &format!("{at}/{key}"), all);
            }
        }
        Value::Array(list) => {
            all.insert(format!("{at}: list of {}", list.len()));
            for (index, value) in list.iter().enumerate() {
                structure(value, &format!("{at}/{index}"), all);
            }
        }
        Value::String(text) if text.starts_with('{') => {
            all.insert(format!("{at}: a string that holds"));
            structure(&yaml(text), at, all);
        }
        Value::String(text)
            if text.contains('<')
                || text.contains("BEGIN")
                || text.contains("first-")
                || text == SHA
                || text == "abc123" =>
        {
            all.insert(format!("{at}: string"));
        }
        Value::Null => drop(all.insert(format!("{at}: null"))),
        other => drop(all.insert(format!("{at}: {other}"))),
    }
}

fn paths(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    structure(&yaml(text), "", &mut all);
    all
}

fn content(data: &UserData, path: &str) -> String {
    data.file(path)
        .unwrap_or_else(|| panic!("{path} in {data:?}"))
        .content
        .expose_secret()
        .to_owned()
}

#[test]
fn each_file_has_the_recorded_ones_structure() {
    let data = render(&bootstrap(given()));
    let tools = "/var/lib/juju/tools/4.0.15-ubuntu-amd64/downloaded-tools.txt";
    for (path, recorded) in [
        (
            "/var/lib/juju/agents/machine-0/agent.conf",
            include_str!("recorded/native-agent.conf"),
        ),
        (
            "/var/lib/juju/bootstrap-params",
            include_str!("recorded/native-bootstrap-params"),
        ),
        (tools, include_str!("recorded/native-downloaded-tools.txt")),
    ] {
        assert_eq!(paths(&content(&data, path)), paths(recorded), "{path}");
    }
    assert!(
        content(&data, "/var/lib/juju/agents/machine-0/agent.conf").starts_with("# format 2.0\n")
    );
    assert_eq!(
        content(&data, "/etc/systemd/system/jujud-machine-0.service"),
        include_str!("recorded/native-jujud-machine-0.service")
    );
    // The user data around them: same files, modes, encoding, command.
    let ours = yaml(data.to_cloud_config().expose_secret());
    let theirs = yaml(include_str!("recorded/native-user-data.yaml"));
    let blank = |mut config: Value| {
        for file in config["write_files"].as_array_mut().unwrap() {
            file["content"] = "".into();
        }
        config
    };
    assert_eq!(blank(ours.clone()), blank(theirs));
    for (file, written) in data
        .files
        .iter()
        .zip(ours["write_files"].as_array().unwrap())
    {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(written["content"].as_str().unwrap())
            .unwrap();
        assert_eq!(bytes, file.content.expose_secret().as_bytes());
    }
}

/// What a script runs, without its comments: the recorded scripts' commands are in ours, in their order.
#[test]
fn the_scripts_have_the_recorded_ones_commands_in_their_order() {
    for (keys, recorded) in [
        (
            given(),
            include_str!("recorded/native-bootstrap-given-keys.sh"),
        ),
        (
            on_machine(),
            include_str!("recorded/native-bootstrap-machine-keys.sh"),
        ),
    ] {
        let script = content(&render(&bootstrap(keys)), script::PATH);
        // Our key folder is called $N while it is being made.
        let plain = |text: &str| {
            text.replace("$N/", "$K/")
                .replace(SHA, "<SHA256_HEX>")
                .replace(&"5a".repeat(32), "<ONE_TIME_HMAC_KEY_HEX>")
        };
        let ours = plain(&script);
        let mut from = 0;
        for wanted in [
            "set -euo pipefail",
            "mkdir -p $T $D/locks $D/agents/machine-0 $L",
            "id ubuntu >/dev/null 2>&1 && chown ubuntu:ubuntu $D/locks",
            "curl -sSfL --connect-timeout 20 --retry 3 -o $T/tools.tar.gz 'https://streams.canonical.com/juju/tools/agent/4.0.15/juju-4.0.15-linux-amd64.tgz'",
            "tar xzf $T/tools.tar.gz -C $T --no-same-owner",
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $K/ca.key 2>/dev/null",
            "openssl req -x509 -new -key $K/ca.key -days 3652 -subj '/O=Juju/CN=juju-ca' -addext 'keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign' -out $K/ca.crt",
            "M=$(openssl x509 -in $K/ca.crt -outform DER | openssl dgst -sha256 -mac HMAC -macopt hexkey:<ONE_TIME_HMAC_KEY_HEX> -r | cut -c1-32)",
            "openssl req -new -key $K/c.key -subj '/O=Juju/CN=Juju server certificate - controller' -out $K/c.csr",
            r"printf 'subjectAltName=DNS:localhost,DNS:juju-apiserver,DNS:anything,DNS:%s.ca-proof.invalid\n' $M > $K/ext",
            "openssl x509 -req -in $K/c.csr -CA $K/ca.crt -CAkey $K/ca.key -set_serial 0x$(openssl rand -hex 16) -days 3652 -extfile $K/ext -out $K/c.crt 2>/dev/null",
            "cat $K/ca.crt >> $K/c.crt",
            r#"sed -i -e "s|@CA@|$(j $K/ca.crt)|" -e "s|@CERT@|$(j $K/c.crt)|" -e "s|@KEY@|$(j $K/c.key)|" -e "s|@CAKEY@|$(j $K/ca.key)|" $f"#,
            "rm -rf $D/dqlite $D/objectstore",
            "$T/jujud bootstrap-state --data-dir $D --timeout 20m --show-log",
            "touch $D/.state",
            "sed -i '/^oldpassword:/d' $D/agents/machine-0/agent.conf",
            "ln -sfn 4.0.15-ubuntu-amd64 $D/tools/machine-0",
            "systemctl daemon-reload",
            "systemctl enable jujud-machine-0.service",
            "systemctl start jujud-machine-0.service",
            "rm -f $D/bootstrap-params",
        ] {
            if !recorded.contains(wanted) {
                // The keys are made by one of the two only.
                assert!(
                    wanted.contains("$K") || wanted.contains("openssl"),
                    "{wanted}"
                );
                continue;
            }
            let found = ours[from..].find(wanted);
            from += found.unwrap_or_else(|| panic!("{wanted} in its place in\n{script}"));
        }
    }
}

#[test]
fn the_keys_stand_in_their_places() {
    let data = render(&bootstrap(on_machine()));
    let conf = yaml(&content(&data, "/var/lib/juju/agents/machine-0/agent.conf"));
    for (field, place) in [
        ("cacert", "@CA@"),
        ("controllercert", "@CERT@"),
        ("controllerkey", "@KEY@"),
        ("caprivatekey", "@CAKEY@"),
    ] {
        assert_eq!(conf[field], place);
    }
    let params = yaml(&content(&data, "/var/lib/juju/bootstrap-params"));
    assert_eq!(params["controller-config"]["ca-cert"], "@CA@");
}

#[test]
fn an_lxd_cloud_and_a_charm_of_ones_own() {
    let mut wanted = bootstrap(on_machine());
    wanted.cloud = Cloud::Lxd(LxdCloud {
        name: "lab".into(),
        endpoint: "https://10.42.0.1:8443".parse().unwrap(),
        credential: "native".into(),
        client_cert: "C".into(),
        client_key: "K".into(),
        server_cert: "S".into(),
    });
    assert!(
        wanted
            .check()
            .unwrap_err()
            .to_string()
            .contains("juju-222222-0")
    );
    wanted.instance_id = "juju-222222-0".into();
    wanted.charm = Charm::File {
        url: "http://mirror.example/it's.charm".parse().unwrap(),
        sha256: SHA.to_uppercase(),
    };
    wanted.check().unwrap();
    let data = render(&wanted);
    let params = yaml(&content(&data, "/var/lib/juju/bootstrap-params"));
    assert!(params.get("controller-charm-channel").is_none());
    assert_eq!(
        params["controller-cloud-credential"],
        serde_json::json!({"auth-type": "certificate", "client-cert": "C", "client-key": "K", "server-cert": "S"})
    );
    assert_eq!(params["controller-model-config"]["type"], "lxd");
    let script = content(&data, script::PATH);
    assert!(
        script.contains(r"-o $D/charms/controller.charm 'http://mirror.example/it'\''s.charm'")
    );
    assert!(script.contains(&format!("echo '{SHA}  '$D/charms/controller.charm")));
}

#[test]
fn what_a_real_agent_would_stumble_over_is_told_beforehand() {
    bootstrap(given()).check().unwrap();
    let wrong = |change: fn(&mut Bootstrap)| {
        let mut wanted = bootstrap(given());
        change(&mut wanted);
        wanted.check().unwrap_err().to_string()
    };
    let said = [
        wrong(|b| b.model_uuid = MODEL.replace('2', "A")),
        wrong(|b| b.password = "".into()),
        wrong(|b| b.agent.sha256 = "ab".into()),
        wrong(|b| b.agent.version = "4.0.15; rm -rf /".into()),
        wrong(|b| b.instance_id = String::new()),
        wrong(|b| {
            if let Cloud::Maas(maas) = &mut b.cloud {
                maas.api_key = "one-part".into();
            }
        }),
        wrong(|b| {
            if let Cloud::Maas(maas) = &mut b.cloud {
                maas.endpoint = "http://maas.example:5240/".parse().unwrap();
            }
        }),
        wrong(|b| {
            if let Keys::Given(keys) = &mut b.keys {
                keys.ca_key = "-----BEGIN EC PRIVATE KEY-----\nAAAA".into();
            }
        }),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    prepare the controller native: a UUID is not one in lower case with dashes; next: let it be made anew
    prepare the controller native: the first password is empty or longer than 1024 bytes; next: give one of 1 to 1024 bytes
    prepare the controller native: the agent archive's SHA-256 is not 64 hexadecimal digits; next: take it from Juju's streams
    prepare the controller native: `4.0.15; rm -rf /` is no version of Juju; next: take it from Juju's streams
    prepare the controller native: the machine has no id in its cloud; next: give MAAS's system id
    prepare the controller native: MAAS's key does not have three parts; next: give it as MAAS shows it: three words with colons between
    prepare the controller native: MAAS's address does not end in /MAAS; next: set the cloud's endpoint to http://...:5240/MAAS
    prepare the controller native: the CA's key is a SEC1 key (`EC PRIVATE KEY`), which kills Juju's agent; next: give keys as PKCS#8: `openssl pkcs8 -topk8 -nodes`
    "#);
}

#[test]
fn debug_holds_no_secret() {
    for keys in [given(), on_machine()] {
        let mut wanted = bootstrap(keys);
        let proxy: Url = "http://user:proxy-password@proxy.example:3128"
            .parse()
            .unwrap();
        wanted.proxy = (Some(proxy.clone()), Some(proxy.clone()));
        wanted
            .settings
            .insert("juju-http-proxy".into(), proxy.as_str().into());
        wanted.agent.url = proxy.join("/agent.tgz").unwrap();
        wanted.charm = Charm::File {
            url: proxy,
            sha256: SHA.into(),
        };
        let shown = format!("{wanted:?} {:?} {:?}", wanted.charm, render(&wanted));
        for secret in [
            "proxy-password",
            "first-",
            "AAAA",
            &"5a".repeat(32),
            "PRIVATE",
        ] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}
