//! Golden transcripts: captures of ipmitool and ipmipower with real BMC software (`tests/fixtures`, user `admin`, password `secret`), and the example
//! that hashcat publishes for its mode 7300 (IPMI2 RAKP HMAC-SHA1).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::{Duration, Instant};

use ipmi_lan::proto::{Event, Request, RequestId, Session, SessionConfig};
use ipmi_lan::wire::crypto::{Authentication, CipherSuite, SessionKeys, hash};
use ipmi_lan::wire::message::{RequestMessage, ResponseMessage};
use ipmi_lan::wire::rakp::{Exchange, OpenRequest, OpenResponse, Rakp1, Rakp2, Rakp3, Rakp4};
use ipmi_lan::wire::v2::{Packet, PayloadType, seal_plain};
use ipmi_lan::wire::{Class, classify};
use ipmi_lan::{Credentials, Privilege};

const CAPTURES: [(&str, &[u8], u8); 3] = [
    (
        "ipmitool, suite 17",
        include_bytes!("fixtures/cap17.pcap"),
        17,
    ),
    (
        "ipmitool, suite 3",
        include_bytes!("fixtures/cap_ipmitool.pcap"),
        3,
    ),
    (
        "ipmipower, suite 3",
        include_bytes!("fixtures/cap_ipmipower.pcap"),
        3,
    ),
];

/// The UDP payloads of a pcap file (Ethernet, IPv4 without options).
fn datagrams(pcap: &[u8]) -> Vec<Vec<u8>> {
    let mut at = 24;
    let mut out = Vec::new();
    while at + 16 <= pcap.len() {
        let len = u32::from_le_bytes(pcap[at + 8..at + 12].try_into().unwrap()) as usize;
        out.push(pcap[at + 16 + 14 + 20 + 8..at + 16 + len].to_vec());
        at += 16 + len;
    }
    out
}

fn payload(all: &[Vec<u8>], kind: PayloadType) -> Vec<u8> {
    let find =
        |d: &&Vec<u8>| classify(d) == Class::V2 && Packet::parse(d).unwrap().payload_type == kind;
    Packet::parse(all.iter().find(find).unwrap())
        .unwrap()
        .payload
        .to_vec()
}

struct Transcript {
    open: OpenRequest,
    opened: OpenResponse,
    rakp1: Rakp1,
    rakp2: Rakp2,
    rakp3: Rakp3,
    rakp4: Rakp4,
    exchange: Exchange,
    all: Vec<Vec<u8>>,
}

fn transcript(pcap: &[u8], suite: u8) -> Transcript {
    let all = datagrams(pcap);
    let open = OpenRequest::decode(&payload(&all, PayloadType::OpenRequest)).unwrap();
    let opened = OpenResponse::decode(&payload(&all, PayloadType::OpenResponse)).unwrap();
    let rakp1 = Rakp1::decode(&payload(&all, PayloadType::Rakp1)).unwrap();
    let rakp2 = Rakp2::decode(&payload(&all, PayloadType::Rakp2)).unwrap();
    let rakp3 = Rakp3::decode(&payload(&all, PayloadType::Rakp3)).unwrap();
    let rakp4 = Rakp4::decode(&payload(&all, PayloadType::Rakp4)).unwrap();
    let proof = rakp2.proof.clone().unwrap();
    let exchange = Exchange {
        suite: CipherSuite::new(suite).unwrap(),
        console: open.console,
        managed: opened.accepted.unwrap().managed,
        console_random: rakp1.random,
        managed_random: proof.random,
        guid: proof.guid,
        role: rakp1.role,
        user: rakp1.user.clone(),
    };
    Transcript {
        open,
        opened,
        rakp1,
        rakp2,
        rakp3,
        rakp4,
        exchange,
        all,
    }
}

#[test]
fn captures_verify_every_rakp_and_integrity_code() {
    for (name, pcap, suite) in CAPTURES {
        let t = transcript(pcap, suite);
        assert_eq!(
            t.open.algorithms,
            CipherSuite::new(suite).unwrap().codes(),
            "{name}"
        );
        assert_eq!(
            t.exchange.rakp2_code(b"secret"),
            t.rakp2.proof.unwrap().code,
            "{name}: RAKP 2"
        );
        assert_ne!(
            t.exchange.rakp2_code(b"secreT"),
            t.exchange.rakp2_code(b"secret"),
            "{name}"
        );
        assert_eq!(
            t.exchange.rakp3_code(b"secret"),
            t.rakp3.code,
            "{name}: RAKP 3"
        );
        let sik = t.exchange.sik(b"secret");
        assert_eq!(t.exchange.rakp4_code(&sik), t.rakp4.code, "{name}: RAKP 4");
        let keys = SessionKeys::derive(t.exchange.suite, sik, b"secret");
        let (mut requests, mut responses) = (0, 0);
        for datagram in &t.all {
            if classify(datagram) != Class::V2 {
                continue;
            }
            let packet = Packet::parse(datagram).unwrap();
            if packet.session == 0 {
                continue;
            }
            let message = packet.open(&keys).unwrap();
            if packet.session == t.exchange.managed {
                RequestMessage::decode(&message).unwrap();
                requests += 1;
            } else {
                ResponseMessage::decode(&message, true).unwrap();
                responses += 1;
            }
            // One flipped bit anywhere behind the RMCP header, and it verifies no more.
            for at in [5, 12, 20, datagram.len() - 1] {
                let mut broken = datagram.clone();
                broken[at] ^= 1;
                if let Ok(packet) = Packet::parse(&broken) {
                    assert!(packet.open(&keys).is_err(), "{name}: byte {at}");
                }
            }
        }
        assert!(
            requests >= 3 && requests == responses,
            "{name}: {requests} {responses}"
        );
    }
}

/// The state machine, given the capture's random numbers and the BMC's answers, says what ipmitool and ipmipower said. Tags are ours: no code covers them.
#[test]
fn the_session_says_what_the_captures_say() {
    for (name, pcap, suite) in CAPTURES {
        let t = transcript(pcap, suite);
        let mut config = SessionConfig::new(Credentials::new("admin", "secret".into()));
        config.suites = vec![t.exchange.suite];
        if t.rakp1.role & 0x0f == 3 {
            config.credentials = config.credentials.privilege(Privilege::Operator);
        }
        let mut randoms = vec![
            t.rakp1.random.to_vec(),
            t.open.console.to_le_bytes().to_vec(),
        ];
        let random = Box::new(move |bytes: &mut [u8]| match randoms.pop() {
            Some(next) if next.len() == bytes.len() => bytes.copy_from_slice(&next),
            _ => bytes.fill(7),
        });
        let now = Instant::now();
        let mut session = Session::new(config, now, random);
        let request = Request {
            id: RequestId(1),
            name: "Get Chassis Status",
            net_fn: 0,
            lun: 0,
            code: 1,
            data: vec![],
            privilege: Privilege::User,
            idempotent: true,
            deadline: now + Duration::from_secs(5),
        };
        session.request(now, request);
        let said = |session: &mut Session, kind| {
            let datagram = session.poll_transmit().expect("a datagram");
            let packet = Packet::parse(&datagram).unwrap();
            assert_eq!(packet.payload_type, kind, "{name}");
            assert!(session.poll_transmit().is_none(), "{name}: one at a time");
            packet.payload.to_vec()
        };
        let answer = |kind, mut payload: Vec<u8>, tag| {
            payload[0] = tag;
            seal_plain(kind, &payload)
        };

        let open = said(&mut session, PayloadType::OpenRequest);
        let ours = OpenRequest::decode(&open).unwrap();
        assert_eq!(
            (ours.console, ours.algorithms),
            (t.open.console, t.open.algorithms),
            "{name}"
        );
        assert!(session.handle_datagram(
            now,
            &answer(PayloadType::OpenResponse, t.opened.encode(), open[0])
        ));

        let rakp1 = said(&mut session, PayloadType::Rakp1);
        assert_eq!(rakp1[1..], t.rakp1.encode(false)[1..], "{name}: RAKP 1");
        assert!(
            session.handle_datagram(now, &answer(PayloadType::Rakp2, t.rakp2.encode(), rakp1[0]))
        );

        let rakp3 = said(&mut session, PayloadType::Rakp3);
        assert_eq!(rakp3[1..], t.rakp3.encode()[1..], "{name}: RAKP 3");
        assert!(
            session.handle_datagram(now, &answer(PayloadType::Rakp4, t.rakp4.encode(), rakp3[0]))
        );
        assert!(
            matches!(session.poll_event(), Some(Event::Opened(s)) if s == t.exchange.suite),
            "{name}"
        );

        // The command's datagram, byte for byte: session id, sequence number 1, our fixed initialisation vector.
        let keys = SessionKeys::derive(t.exchange.suite, t.exchange.sik(b"secret"), b"secret");
        let datagram = session.poll_transmit().unwrap();
        let packet = Packet::parse(&datagram).unwrap();
        assert_eq!(
            (packet.session, packet.seq),
            (t.exchange.managed, 1),
            "{name}"
        );
        let message = packet.open(&keys).unwrap();
        let message = RequestMessage::decode(&message).unwrap();
        assert_eq!(
            (message.net_fn, message.command, message.data),
            (0, 1, &[][..]),
            "{name}"
        );
    }
}

#[test]
fn hashcat_mode_7300() {
    let salt = "b7c2d6f13a43dce2e44ad120a9cd8a13d0ca23f0414275c0bbe1070d2d1299b1c04da0f1a0f1e4e2\
                537300263a2200000000000000000000140768617368636174";
    let salt = hex::decode(salt).unwrap();
    let code = hash(Authentication::HmacSha1, b"hashcat", &[&salt]);
    assert_eq!(
        hex::encode(code),
        "472bdabe2d5d4bffd6add7b3ba79a291d104a9ef"
    );
    // The same through the exchange, so that the order of its parts is what is shown.
    let id = |at: usize| u32::from_le_bytes(salt[at..at + 4].try_into().unwrap());
    let exchange = Exchange {
        suite: CipherSuite::S3,
        console: id(0),
        managed: id(4),
        console_random: salt[8..24].try_into().unwrap(),
        managed_random: salt[24..40].try_into().unwrap(),
        guid: salt[40..56].try_into().unwrap(),
        role: salt[56],
        user: salt[58..].to_vec(),
    };
    assert_eq!(
        hex::encode(exchange.rakp2_code(b"hashcat")),
        "472bdabe2d5d4bffd6add7b3ba79a291d104a9ef"
    );
}
