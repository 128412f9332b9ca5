//! What a simulated BMC is made of, and what of it lasts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Durations, Network, default_addr};
use crate::command::boot::BootFlags;
use crate::command::chassis::RestorePolicy;
use crate::command::lan::MacAddr;
use crate::credentials::Privilege;
use crate::wire::crypto::CipherSuite;
use crate::wire::v15::AuthType;

/// A user of a BMC.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Its name; empty for the null user.
    pub name: String,
    /// Its password, at most 20 bytes.
    pub password: Vec<u8>,
    /// Its privilege limit.
    pub privilege: Privilege,
    /// It may log in.
    pub enabled: bool,
    /// It may use IPMI messaging on the channel.
    #[serde(default = "yes")]
    pub messaging: bool,
}

fn yes() -> bool {
    true
}

impl User {
    /// An enabled user.
    #[must_use]
    pub fn new(name: &str, password: &str, privilege: Privilege) -> Self {
        Self {
            name: name.to_owned(),
            password: password.as_bytes().to_vec(),
            privilege,
            enabled: true,
            messaging: true,
        }
    }

    pub(crate) fn blank() -> Self {
        Self {
            enabled: false,
            messaging: false,
            ..Self::new("", "", Privilege::User)
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .field("privilege", &self.privilege)
            .finish_non_exhaustive()
    }
}

/// How a BMC strays from the specification; all off by default. Each is a real BMC's fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quirks {
    /// Says nothing to an Open Session with a suite that it does not have.
    pub silent_suite: bool,
    /// Refuses a suite with this status instead of 11h.
    pub suite_status: Option<u8>,
    /// Refuses Open Session with two bytes alone.
    pub short_refusal: bool,
    /// Answers Open Session with other algorithms than it was asked for: a downgrade.
    pub downgrade: Option<u8>,
    /// Numbers its packets 1, 3, 5.
    pub skips_numbers: bool,
    /// Says nothing to Close Session.
    pub silent_close: bool,
    /// Makes a new random number for each RAKP 1, repeated ones too.
    pub fresh_rakp2: bool,
    /// Says nothing to a repeated RAKP 3.
    pub rakp3_once: bool,
    /// Makes a new session for each Open Session Request, repeated ones too.
    pub open_each_time: bool,
    /// Refuses every command below Administrator with D4h.
    pub administrator_only: bool,
    /// Appends a byte to RAKP 2's code (`supermicro20`, `sun20`).
    pub long_rakp2: bool,
    /// Answers with a console session id of zero.
    pub id_zero: bool,
    /// Sends wrong checksums in its IPMI messages.
    pub bad_checksums: bool,
    /// Reads the boot flags back without the valid, persistent and UEFI bits.
    pub forgets_boot_bits: bool,
    /// Reads the UEFI bit back as unset.
    pub forgets_uefi: bool,
    /// Answers C0h (busy) to that many commands first.
    pub busy: u32,
    /// Drops power controls that come while another is under way.
    pub drops_early_controls: bool,
    /// Does not have power cycle.
    pub no_cycle: bool,
    /// RAKP 4's check value is as long as the integrity algorithm says, passwords end at 16 bytes, and users are looked up by name and privilege alone.
    pub intel20: bool,
    /// Says nothing to Get Channel Cipher Suites.
    pub silent_cipher_suites: bool,
    /// Does not know channel Eh, "this channel".
    pub no_this_channel: bool,
    /// Refuses to return more than that many bytes of an SDR or FRU at once.
    pub short_reads: Option<u8>,
    /// Its SDRs say that they are longer than they are.
    pub long_sdrs: bool,
    /// After its last SDR and SEL entry comes the first again.
    pub no_terminator: bool,
    /// Cancels the SDR reservation that many times in the middle.
    pub lost_reservations: u32,
    /// Sends every answer twice.
    pub stutters: bool,
    /// Answers every Open Session with the first of its suites, and means it (pyghmi, VirtualBMC).
    pub one_suite: bool,
    /// Refuses Open Session with a privilege other than "the highest" as an invalid role (`opensesspriv`).
    pub refuses_open_privilege: bool,
    /// Refuses Open Session with "the highest privilege" as an invalid role.
    pub wants_open_privilege: bool,
    /// Sends a check value in RAKP 4 where suite 0 has none (`integritycheckvalue`).
    pub integrity_check_value: bool,
    /// Says nothing where it ought to refuse a user or a password (pyghmi, VirtualBMC).
    pub silent_refusals: bool,
    /// v1.5: announces no authentication type at all, and has those that it has (`authcap`).
    pub no_auth_types: bool,
    /// v1.5: announces that messages need no authentication code, and heeds none without (`forcepermsg`).
    pub forcepermsg: bool,
    /// v1.5: announces that messages carry no authentication code, and sends them all the same (`unexpectedauth`).
    pub unexpected_auth: bool,
    /// v1.5: its own authentication codes are wrong (`noauthcodecheck`).
    pub wrong_auth_codes: bool,
    /// v1.5: sends its session sequence numbers most significant byte first (`endianseq`).
    pub big_endian_seq: bool,
    /// v1.5: hears nothing more from a port from which Get Session Challenge came twice.
    pub deaf_after_challenges: bool,
    /// Says that its SDR repository and its event log hold another number of records than they do.
    pub wrong_counts: bool,
    /// Announces these packet sizes for serial over LAN.
    pub sol_size: Option<u16>,
    /// Serial over LAN stays taken through that many deactivations.
    pub sol_stuck: u32,
}

/// What a BMC is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BmcSpec {
    /// Its name, in events and counts.
    pub name: String,
    /// Where it listens; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Its MAC address.
    pub mac: MacAddr,
    /// The machine's GUID.
    pub guid: [u8; 16],
    /// Its users; the first has id 2.
    pub users: Vec<User>,
    /// Its key K_G; empty for none.
    pub kg: Vec<u8>,
    /// The suites that it has.
    pub suites: Vec<CipherSuite>,
    /// It speaks IPMI v1.5 too.
    pub v15: bool,
    /// The authentication types of its IPMI v1.5: MD5 and password at first.
    pub auth_types: Vec<AuthType>,
    /// v1.5: messages after the login carry no authentication code.
    pub per_message_off: bool,
    /// How many sessions it can hold, half-open ones included.
    pub slots: usize,
    /// After how long without a message a session is dropped, in real time.
    pub session_timeout: Duration,
    /// How it strays.
    pub quirks: Quirks,
    /// The network to it.
    pub network: Network,
    /// How long things take; the simulator's, where there is none.
    pub durations: Option<Durations>,
    /// Powered at first.
    pub power_on: bool,
}

impl BmcSpec {
    /// A BMC on a free port of loopback, user `admin` with password `secret`, suites 3 and 17, four slots, powered off. MAC and GUID come of the name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let mut guid = [0x42; 16];
        // FNV-1a: stable, so that a reopened lab has the same machines.
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        let bytes = hash.to_be_bytes();
        guid[8..].copy_from_slice(&bytes);
        let mac = MacAddr([0x52, 0x54, 0x01, bytes[5], bytes[6], bytes[7]]);
        Self {
            name,
            addr: default_addr(),
            mac,
            guid,
            users: vec![User::new("admin", "secret", Privilege::Administrator)],
            kg: Vec::new(),
            suites: vec![CipherSuite::S17, CipherSuite::S3],
            v15: true,
            auth_types: vec![AuthType::Md5, AuthType::Password],
            per_message_off: false,
            slots: 4,
            session_timeout: Duration::from_secs(60),
            quirks: Quirks::default(),
            network: Network::default(),
            durations: None,
            power_on: false,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Its MAC address.
    #[must_use]
    pub fn mac(mut self, mac: MacAddr) -> Self {
        self.mac = mac;
        self
    }

    /// Its users, instead of `admin`.
    #[must_use]
    pub fn users(mut self, users: impl IntoIterator<Item = User>) -> Self {
        self.users = users.into_iter().collect();
        self
    }

    /// Its key K_G.
    #[must_use]
    pub fn kg(mut self, kg: impl Into<Vec<u8>>) -> Self {
        self.kg = kg.into();
        self
    }

    /// The suites that it has.
    #[must_use]
    pub fn suites(mut self, suites: impl IntoIterator<Item = CipherSuite>) -> Self {
        self.suites = suites.into_iter().collect();
        self
    }

    /// The authentication types of its IPMI v1.5.
    #[must_use]
    pub fn auth_types(mut self, types: impl IntoIterator<Item = AuthType>) -> Self {
        self.auth_types = types.into_iter().collect();
        self
    }

    /// v1.5: messages after the login carry no authentication code.
    #[must_use]
    pub fn per_message_off(mut self, off: bool) -> Self {
        self.per_message_off = off;
        self
    }

    /// How many sessions it can hold.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// How it strays.
    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// The network to it.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// How long things take.
    #[must_use]
    pub fn durations(mut self, durations: Durations) -> Self {
        self.durations = Some(durations);
        self
    }

    /// Powered at first, or not.
    #[must_use]
    pub fn powered(mut self, on: bool) -> Self {
        self.power_on = on;
        self
    }
}

/// A change of power that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Due {
    pub(crate) at: Duration,
    pub(crate) kind: super::PowerEventKind,
}

/// What of a BMC lasts: the snapshot of a simulator is these. Sessions are not among it, as with a BMC that was restarted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BmcState {
    /// Its name.
    pub name: String,
    /// Its MAC address.
    pub mac: MacAddr,
    /// The machine's GUID.
    pub guid: [u8; 16],
    /// The machine is powered.
    pub power: bool,
    /// Changes that are due, in order.
    pub(crate) due: Vec<Due>,
    /// The boot flags.
    pub boot: BootFlags,
    /// When they were set, in virtual time.
    pub boot_set: Duration,
    /// Power was controlled since: they do not expire any more.
    pub boot_controlled: bool,
    /// Parameter 3: what does not clear the valid bit.
    pub boot_hold: u8,
    /// The last power-on came by command.
    pub on_by_command: bool,
    /// What happens when mains power returns.
    pub restore_policy: RestorePolicy,
    /// The identify light is on until that virtual time.
    pub identify_until: Option<Duration>,
    /// Its users, by id.
    pub users: BTreeMap<u8, User>,
    /// LAN parameters, by number.
    pub lan: BTreeMap<u8, Vec<u8>>,
    /// Event log, sensors, FRU, watchdog.
    #[serde(default)]
    pub storage: super::Storage,
}

impl BmcState {
    pub(crate) fn new(spec: &BmcSpec) -> Self {
        let ip: [u8; 4] = match spec.addr.ip() {
            std::net::IpAddr::V4(ip) => ip.octets(),
            std::net::IpAddr::V6(_) => [127, 0, 0, 1],
        };
        let lan = [
            (0, vec![0]),
            (1, vec![0x15]),
            (3, ip.to_vec()),
            (4, vec![1]),
            (5, spec.mac.0.to_vec()),
            (6, vec![255, 255, 255, 0]),
            (12, vec![0; 4]),
            (20, vec![0, 0]),
        ];
        Self {
            name: spec.name.clone(),
            mac: spec.mac,
            guid: spec.guid,
            power: spec.power_on,
            due: Vec::new(),
            boot: BootFlags::default(),
            boot_set: Duration::ZERO,
            boot_controlled: false,
            boot_hold: 0,
            on_by_command: false,
            restore_policy: RestorePolicy::AlwaysOff,
            identify_until: None,
            users: spec
                .users
                .iter()
                .cloned()
                .enumerate()
                .map(|(i, user)| (i as u8 + 2, user))
                .collect(),
            lan: lan.into_iter().collect(),
            storage: super::Storage::of(&spec.name),
        }
    }
}
