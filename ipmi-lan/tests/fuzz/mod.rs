//! The bodies of the fuzz targets, which ordinary tests replay over the corpora: nothing that a network sends may panic.

use std::time::{Duration, Instant};

use ipmi_lan::command::boot::{BootFlags, GetBootFlags};
use ipmi_lan::command::channel::{
    GetAuthCapabilities, GetChannelAccess, GetChannelInfo, cipher_suite_numbers,
};
use ipmi_lan::command::chassis::GetChassisStatus;
use ipmi_lan::command::device::{GetDeviceId, GetGuid, GetSelfTest};
use ipmi_lan::command::fru::{Fru, GetFruInfo, ReadFru};
use ipmi_lan::command::sdr::{GetSdr, GetSdrInfo, Sdr};
use ipmi_lan::command::sel::{GetSelEntry, GetSelInfo, SelEntry};
use ipmi_lan::command::sensor::{GetSensorReading, GetSensorThresholds};
use ipmi_lan::command::sol::ActivateSol;
use ipmi_lan::command::user::{GetUserAccess, GetUserName};
use ipmi_lan::command::watchdog::GetWatchdog;
use ipmi_lan::proto::{Request, RequestId, Session, SessionConfig, Sol};
use ipmi_lan::wire::crypto::{CipherSuite, SessionKeys};
use ipmi_lan::wire::message::{RequestMessage, ResponseMessage};
use ipmi_lan::wire::rakp::{OpenRequest, OpenResponse, Rakp1, Rakp2, Rakp3, Rakp4};
use ipmi_lan::wire::{asf, classify, v2, v15};
use ipmi_lan::{Command, Credentials, Pong, Privilege, Protocol};

/// Every parser of datagrams and their payloads.
pub(crate) fn datagram(data: &[u8]) {
    let _ = classify(data);
    let _ = Pong::decode(data);
    let _ = asf::decode_ping(data);
    if let Ok(packet) = v2::Packet::parse(data) {
        for number in [0, 1, 3, 8, 12, 17] {
            let Some(suite) = CipherSuite::new(number) else {
                continue;
            };
            let keys = SessionKeys::derive(suite, vec![1; 20], b"secret");
            let _ = packet.open(&keys);
            let _ = keys.decrypt(packet.payload);
        }
        payloads(packet.payload);
    }
    if let Ok(packet) = v15::Packet::parse(data) {
        let _ = packet.verify(b"secret");
        payloads(packet.payload);
    }
    payloads(data);
}

fn payloads(data: &[u8]) {
    let _ = RequestMessage::decode(data);
    let _ = ResponseMessage::decode(data, false);
    let _ = OpenRequest::decode(data);
    let _ = OpenResponse::decode(data);
    let _ = Rakp1::decode(data);
    let _ = Rakp2::decode(data);
    let _ = Rakp3::decode(data);
    let _ = Rakp4::decode(data);
}

/// A session that is told anything at all, in any order: first byte of each chunk its length.
pub(crate) fn session(data: &[u8]) {
    for protocol in [Protocol::V2, Protocol::V15] {
        let mut config = SessionConfig::new(Credentials::new("admin", "secret".into()));
        config.protocol = protocol;
        config.workarounds.id_zero = true;
        config.workarounds.unauthenticated = true;
        config.workarounds.no_checksums = true;
        let begun = Instant::now();
        let mut now = begun;
        let mut session = Session::new(config, now, Box::new(|bytes: &mut [u8]| bytes.fill(1)));
        let deadline = now + Duration::from_secs(10);
        let request = Request {
            id: RequestId(1),
            name: "fuzz",
            net_fn: 0,
            lun: 0,
            code: 1,
            data: vec![],
            privilege: Privilege::Operator,
            idempotent: true,
            deadline,
        };
        session.request(now, request);
        let mut line = Sol::new(64, Duration::from_millis(100));
        let mut rest = data;
        while let Some((len, tail)) = rest.split_first() {
            let (chunk, next) = tail.split_at(usize::from(*len).min(tail.len()));
            rest = next;
            session.handle_datagram(now, chunk);
            line.write(now, b"x");
            line.handle(now, chunk);
            now += Duration::from_millis(u64::from(*len));
            if session.poll_timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(now);
            }
            line.handle_timeout(now);
            while session.poll_transmit().is_some()
                || line.poll_transmit().is_some()
                || line.read().is_some()
            {}
            while session.poll_event().is_some() {}
        }
        session.close(now);
        // Whatever was said, it comes to rest.
        for _ in 0..200 {
            let Some(at) = session.poll_timeout() else {
                break;
            };
            now = now.max(at);
            session.handle_timeout(now);
        }
        assert!(session.poll_timeout().is_none(), "{session:?}");
    }
}

fn decode<C: Command>(command: &C, data: &[u8]) {
    let _ = command.decode(data);
}

/// Every parser of responses and stored records.
pub(crate) fn records(data: &[u8]) {
    if let Ok(Sdr::Sensor(sensor)) = Sdr::decode(data)
        && let Some(conversion) = sensor.conversion
    {
        let _ = conversion.value(0x80);
        let _ = sensor.unit.to_string();
    }
    let _ = Fru::decode(data).map(|fru| fru.serial().map(str::to_owned));
    if let Ok(entry) = SelEntry::decode(data) {
        assert_eq!(
            entry.encode().len(),
            16.max(data.len().min(entry.encode().len()))
        );
    }
    let _ = BootFlags::decode(data).map(BootFlags::encode);
    let _ = cipher_suite_numbers(data);
    decode(&GetChassisStatus, data);
    decode(&GetBootFlags, data);
    decode(&GetDeviceId, data);
    decode(&GetSelfTest, data);
    decode(&GetGuid::System, data);
    decode(
        &GetAuthCapabilities {
            channel: 1,
            privilege: Privilege::User,
        },
        data,
    );
    decode(&GetChannelInfo(1), data);
    decode(&GetChannelAccess(1), data);
    decode(
        &GetUserAccess {
            channel: 1,
            user: 1,
        },
        data,
    );
    decode(&GetUserName(1), data);
    decode(&GetSelInfo, data);
    decode(&GetSelEntry(0), data);
    decode(&GetSdrInfo, data);
    decode(
        &GetSdr {
            reservation: 0,
            record: 0,
            offset: 0,
            count: 0xff,
        },
        data,
    );
    decode(&GetSensorReading { sensor: 1, lun: 0 }, data);
    decode(&GetSensorThresholds { sensor: 1, lun: 0 }, data);
    decode(&GetFruInfo(0), data);
    decode(
        &ReadFru {
            device: 0,
            offset: 0,
            count: 16,
        },
        data,
    );
    decode(&GetWatchdog, data);
    decode(
        &ActivateSol {
            encrypted: true,
            authenticated: true,
        },
        data,
    );
}
