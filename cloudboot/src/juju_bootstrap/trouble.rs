//! Why a controller did not come up, in a sentence: from what its machine wrote.
//!
//! Source: the errors that a real 4.0.15 agent gave when one thing of its files was missing or wrong.

/// What was written, what it means, what to do.
type Known = (&'static str, &'static str, &'static str);

/// In the order in which they are looked for: the nearer the cause, the earlier.
const KNOWN: &[Known] = &[
    // What the outside is to blame for.
    (
        "not fetched or wrong sha256",
        "the machine could not fetch the archive of Juju's agent, or another file lies at its address",
        "see that the machine reaches Juju's streams (net_fix, proxy.https), or set mirrors.juju_agents",
    ),
    (
        "not found for channel",
        "the charm store has no juju-controller of that channel",
        "set juju.channel to a channel that has it, or give the charm's file under juju.controller.charm",
    ),
    (
        "resolving \"juju-controller\"",
        "the charm store was asked for juju-controller in vain",
        "see that the machine reaches the charm store (net_fix, proxy, mirrors.charm_store), or give the charm's file under juju.controller.charm",
    ),
    (
        "Authorization Error",
        "MAAS refuses the controller's key",
        "release the machine in MAAS and run again: it gets a new key",
    ),
    (
        "does not support any of [2.0]",
        "the cloud's endpoint is not MAAS's address with /MAAS at its end",
        "set the cloud's endpoint (juju.clouds) to http://...:5240/MAAS",
    ),
    (
        "creating MAAS environ",
        "the machine does not reach MAAS at the cloud's endpoint",
        "set the cloud's endpoint (juju.clouds) to an address of MAAS that the machines reach",
    ),
    (
        "MAAS server not specified",
        "the cloud has no endpoint",
        "set the cloud's endpoint (juju.clouds)",
    ),
    (
        "instances not found",
        "MAAS does not show the machine to the controller: it is not allocated with the controller model's UUID as agent_name",
        "release the machine in MAAS and run again",
    ),
    (
        "only some instances were found",
        "the controller was not told its machine's id",
        "release the machine in MAAS and run again",
    ),
    (
        "No space left on device",
        "the machine's disk is full",
        "give vm.juju more storage, delete the machine and run again",
    ),
    (
        "controller node ID already exists",
        "a former try left its database behind",
        "release the machine in MAAS and run again",
    ),
    // What our files would be to blame for.
    (
        "agent should be terminated",
        "the agent ended itself: the nonce in agent.conf is not user-admin:bootstrap",
        REPORT,
    ),
    (
        "block type EC PRIVATE KEY not supported",
        "the CA's key is a SEC1 key, and the agent takes PKCS#8 only",
        "give keys as PKCS#8: `openssl pkcs8 -topk8 -nodes`",
    ),
    (
        "\"\" is not a valid tag",
        "agent.conf lacks its tag, controller or model",
        REPORT,
    ),
    (
        "failed to append controller CA cert to pool",
        "agent.conf lacks the CA's certificate",
        REPORT,
    ),
    (
        "parsing controller certificate",
        "agent.conf lacks the controller's certificate",
        REPORT,
    ),
    (
        "bootstrap machine config has no state serving info",
        "agent.conf lacks the controller's key",
        REPORT,
    ),
    (
        "API info not available",
        "agent.conf has no apiaddresses",
        REPORT,
    ),
    (
        "size must be greater then zero",
        "agent.conf has no first password",
        REPORT,
    ),
    (
        "cannot read agent metadata",
        "downloaded-tools.txt is missing beside the agent",
        REPORT,
    ),
    (
        "version number cannot be zero value",
        "downloaded-tools.txt has no version",
        REPORT,
    ),
    (
        "SHA256 mismatch",
        "the agent's archive is not the one that downloaded-tools.txt tells of",
        "release the machine in MAAS and run again",
    ),
    (
        "agent binary size mismatch",
        "the agent's archive has not the size that downloaded-tools.txt tells",
        "release the machine in MAAS and run again",
    ),
    (
        "tools.tar.gz: no such file",
        "the agent's archive is not beside the agent",
        "release the machine in MAAS and run again",
    ),
    (
        "agent version not supported",
        "bootstrap-params names another version than the agent's own",
        "give the version of the archive under juju.controller.agent",
    ),
    (
        "invalid version \"\"",
        "bootstrap-params has no agent-version",
        REPORT,
    ),
    (
        "unexpected end of JSON input",
        "bootstrap-params has no custom-image-metadata",
        REPORT,
    ),
    (
        "cloud has no regions",
        "bootstrap-params names a region that its cloud has not, or has no cloud",
        REPORT,
    ),
    (
        "no registered provider for",
        "bootstrap-params has a cloud without a type",
        REPORT,
    ),
    (
        "cloud name \"\" not valid",
        "bootstrap-params has a cloud without a name",
        REPORT,
    ),
    (
        "no valid cloud auth types",
        "bootstrap-params has a cloud without auth-types",
        REPORT,
    ),
    (
        "missing credential not valid",
        "bootstrap-params has no credential",
        REPORT,
    ),
    (
        "malformed maas-oauth",
        "MAAS's key in bootstrap-params does not have three parts",
        "give juju.credentials' maas-oauth as MAAS shows it",
    ),
    (
        "does not support empty authentication",
        "bootstrap-params does not name its credential",
        REPORT,
    ),
    (
        ": expected string, got nothing",
        "bootstrap-params' controller-model-config lacks name, type or uuid",
        REPORT,
    ),
    (
        "object store type changed",
        "bootstrap-params has no object-store-type; the agent is well after its restart",
        REPORT,
    ),
];

const REPORT: &str = "this is a fault of cloudboot: report it with the log";

/// What a machine's logs say went wrong, and what to do; none where they hold nothing that is known.
///
/// ```
/// let log = "ERROR block type EC PRIVATE KEY not supported";
/// let (why, next) = cloudboot::juju_bootstrap::trouble::explain(log).unwrap();
/// assert!(why.contains("SEC1") && next.contains("PKCS#8"));
/// ```
pub fn explain(log: &str) -> Option<(&'static str, &'static str)> {
    KNOWN
        .iter()
        .find(|(said, ..)| log.contains(said))
        .map(|(_, why, next)| (*why, *next))
}

/// The last lines of a log, as an error shows them.
pub fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..].join(" | ")
}
