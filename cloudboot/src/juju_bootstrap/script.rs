//! The script that makes a controller of the files.
//!
//! Source: `recorded/native-bootstrap-*.sh`, which brought up a real controller. What is different: its steps say what they
//! are when they fail, the keys are made once though it be run again, and it ends with an error where the port does not open.

use super::{Bootstrap, Charm, DATA, Keys, PORT, files};

/// Where it lies.
pub(super) const PATH: &str = "/usr/local/sbin/native-bootstrap";

/// A word for bash.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Fetches a file until its checksum is right. Ten minutes: a mirror may be late.
fn fetch(through: &str, what: &str, url: &str, sha256: &str, to: &str) -> String {
    let (url, sha256) = (quoted(url), sha256.to_ascii_lowercase());
    format!(
        r#"step='fetch the {what}'
right() {{ echo '{sha256}  '{to} | sha256sum -c --status 2>/dev/null; }}
n=0
until right || {{ {through}curl -sSfL --connect-timeout 20 --retry 3 -o {to} {url} && right; }}; do
  n=$((n+1)); [ $n -lt 40 ] || {{ echo '{what}: not fetched or wrong sha256' >&2; exit 1; }}; sleep 15
done
"#
    )
}

/// Keys and certificates by openssl, and into the two files that name them.
fn make_keys(proof: &str) -> String {
    format!(
        r#"step='make the keys'
C=$D/agents/machine-0/agent.conf; P=$D/bootstrap-params
# Made once: what a former run made and did not finish writing is used again.
if grep -qs '@CA@\|@CERT@\|@KEY@\|@CAKEY@' $C $P; then
  K=$D/.keys
  if [ ! -d $K ]; then
    rm -rf $D/.keys.??????
    N=$(mktemp -d $D/.keys.XXXXXX)
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $N/ca.key 2>/dev/null
    openssl req -x509 -new -key $N/ca.key -days 3652 -subj '/O=Juju/CN=juju-ca' -addext 'keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign' -out $N/ca.crt
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $N/c.key 2>/dev/null
    M=$(openssl x509 -in $N/ca.crt -outform DER | openssl dgst -sha256 -mac HMAC -macopt hexkey:{proof} -r | cut -c1-32)
    openssl req -new -key $N/c.key -subj '/O=Juju/CN=Juju server certificate - controller' -out $N/c.csr
    printf 'subjectAltName=DNS:localhost,DNS:juju-apiserver,DNS:anything,DNS:%s.{domain}\n' $M > $N/ext
    openssl x509 -req -in $N/c.csr -CA $N/ca.crt -CAkey $N/ca.key -set_serial 0x$(openssl rand -hex 16) -days 3652 -extfile $N/ext -out $N/c.crt 2>/dev/null
    cat $N/ca.crt >> $N/c.crt
    mv $N $K
  fi
  j() {{ awk '{{printf "%s\\n",$0}}' "$1" | sed 's/[&|\]/\\&/g'; }}
  for f in $C $P; do
    sed -i -e "s|@CA@|$(j $K/ca.crt)|" -e "s|@CERT@|$(j $K/c.crt)|" -e "s|@KEY@|$(j $K/c.key)|" -e "s|@CAKEY@|$(j $K/ca.key)|" $f
  done
fi
rm -rf $D/.keys
"#,
        domain = juju_client::connect::PROOF_DOMAIN
    )
}

/// The whole script.
pub(super) fn script(bootstrap: &Bootstrap) -> String {
    let agent = &bootstrap.agent;
    let tools = files::tools(agent);
    let mut text = format!(
        r#"#!/bin/bash
# Makes this machine a Juju controller. Every step can be repeated.
set -euo pipefail
umask 022
D={DATA}; L=/var/log/juju; T=$D/tools/{tools}
[ -e $D/.bootstrapped ] && exit 0
step='make the folders'
trap 'echo "native-bootstrap: could not $step" >&2' ERR
mkdir -p $T $D/locks $D/agents/machine-0 $L
id ubuntu >/dev/null 2>&1 && chown ubuntu:ubuntu $D/locks
"#
    );
    // For curl alone: jujud asks MAAS, which no proxy needs to know.
    let through: String = [
        ("http_proxy", &bootstrap.proxy.0),
        ("https_proxy", &bootstrap.proxy.1),
    ]
    .into_iter()
    .filter_map(|(variable, url)| Some(format!("{variable}={} ", quoted(url.as_ref()?.as_str()))))
    .collect();
    let url = agent.url.as_str();
    text.push_str("if [ ! -e $D/.state ]; then\n");
    text.push_str(&fetch(
        &through,
        "agent archive",
        url,
        &agent.sha256,
        "$T/tools.tar.gz",
    ));
    text.push_str(
        "step='unpack the agent archive'\ntar xzf $T/tools.tar.gz -C $T --no-same-owner\n",
    );
    if let Charm::File { url, sha256 } = &bootstrap.charm {
        text.push_str("mkdir -p $D/charms\n");
        let to = "$D/charms/controller.charm";
        text.push_str(&fetch(
            &through,
            "controller's charm",
            url.as_str(),
            sha256,
            to,
        ));
    }
    text.push_str("fi\n");
    if let Keys::OnMachine(proof) = &bootstrap.keys {
        text.push_str(&make_keys(&hex::encode(proof.expose())));
    }
    text.push_str(&format!(
        r#"if [ ! -e $D/.state ]; then
  step='set up the controller (jujud bootstrap-state)'
  rm -rf $D/dqlite $D/objectstore      # of a failed try: bootstrap-state cannot be repeated on it
  $T/jujud bootstrap-state --data-dir $D --timeout 20m --show-log
  touch $D/.state
fi
sed -i '/^oldpassword:/d' $D/agents/machine-0/agent.conf      # the first password is in the database (hashed) now
step='start the agent'
ln -sfn {tools} $D/tools/machine-0
touch $L/machine-0.log; chmod 0640 $L/machine-0.log; chown syslog:adm $L $L/machine-0.log 2>/dev/null || true
systemctl daemon-reload
systemctl enable jujud-machine-0.service
systemctl start jujud-machine-0.service
# when the bootstrap worker is through ({PORT} answers) nothing of this is needed any more
for i in $(seq 600); do (exec 3<>/dev/tcp/127.0.0.1/{PORT}) 2>/dev/null && {{ open=yes; break; }}; sleep 1; done
if [ -z "${{open:-}}" ]; then
  tail -n 20 $L/machine-0.log >&2 || true
  echo 'native-bootstrap: the port {PORT} did not open within 10 minutes' >&2
  exit 1
fi
touch $D/.bootstrapped
rm -f $D/bootstrap-params
rm -f /var/lib/cloud/instance/user-data.txt /var/lib/cloud/instance/user-data.txt.i /var/lib/cloud/instance/cloud-config.txt
rm -f {PATH}
"#
    ));
    text
}
