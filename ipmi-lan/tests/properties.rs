//! Properties: the sequence window, codecs that read what they wrote, and parsers that survive anything. The fuzz targets' corpora are replayed, each
//! file also cut short at every length and with every bit flipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod fuzz;

use std::collections::HashSet;
use std::path::Path;

use ipmi_lan::MacAddr;
use ipmi_lan::command::boot::{BootDevice, BootFlags};
use ipmi_lan::command::sel::SelEntry;
use ipmi_lan::wire::crypto::{CipherSuite, SessionKeys};
use ipmi_lan::wire::message::{RequestMessage, ResponseMessage};
use ipmi_lan::wire::v2::{Packet, PayloadType, seal};
use ipmi_lan::wire::window::Window;
use proptest::prelude::*;

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files = 0;
    for file in std::fs::read_dir(corpus.join(target)).unwrap() {
        let data = std::fs::read(file.unwrap().path()).unwrap();
        files += 1;
        body(&data);
        for cut in 0..data.len() {
            body(&data[..cut]);
        }
        for bit in 0..data.len().min(200) * 8 {
            let mut flipped = data.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            body(&flipped);
        }
    }
    assert!(files >= 3, "the corpus of {target} holds {files} files");
    // What the fuzzers found that reached further, one a line.
    let found = corpus.join(format!("{target}.hex"));
    for line in std::fs::read_to_string(found).unwrap().lines() {
        body(&hex::decode(line).unwrap());
        files += 1;
    }
    assert!(files >= 100, "the corpus of {target} holds {files} inputs");
}

#[test]
fn corpus_of_datagrams() {
    replay("datagram", fuzz::datagram);
}

#[test]
fn corpus_of_sessions() {
    replay("session", fuzz::session);
}

#[test]
fn corpus_of_records() {
    replay("records", fuzz::records);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// No number is taken twice, none that lies too far back or ahead; and whatever lies within and is new is taken.
    #[test]
    fn the_window_takes_each_number_once(
        first in any::<u32>(), behind in 0u32..64, ahead in 1u32..100, steps in prop::collection::vec(-80i64..120, 1..200),
    ) {
        let mut window = Window::new(behind, ahead);
        let mut highest: Option<u32> = None;
        let mut taken = HashSet::new();
        let mut at = first;
        for step in steps {
            at = at.wrapping_add(step as u32);
            let expected = match highest {
                None => true,
                Some(highest) => {
                    let forward = i64::from(at.wrapping_sub(highest) as i32);
                    !taken.contains(&at) && forward <= i64::from(ahead) && -forward <= i64::from(behind)
                }
            };
            prop_assert_eq!(window.allows(at), expected, "{} after {:?}", at, highest);
            prop_assert_eq!(window.accept(at), expected);
            prop_assert!(!window.allows(at) || !expected);
            if expected {
                taken.insert(at);
                highest = Some(match highest {
                    Some(highest) if (at.wrapping_sub(highest) as i32) < 0 => highest,
                    _ => at,
                });
            } else {
                at = highest.unwrap_or(at);
            }
        }
    }

    #[test]
    fn what_is_sealed_opens_and_nothing_else_does(
        suite in prop::sample::select(vec![2u8, 3, 7, 8, 11, 12, 16, 17]), payload in prop::collection::vec(any::<u8>(), 0..200),
        session in any::<u32>(), seq in any::<u32>(), iv in any::<[u8; 16]>(), flip in any::<prop::sample::Index>(),
    ) {
        let keys = SessionKeys::derive(CipherSuite::new(suite).unwrap(), vec![7; 20], b"secret");
        let datagram = seal(&keys, PayloadType::Ipmi, session, seq, &payload, iv);
        let packet = Packet::parse(&datagram).unwrap();
        prop_assert_eq!((packet.session, packet.seq), (session, seq));
        prop_assert_eq!(packet.open(&keys).unwrap(), payload);
        let mut broken = datagram.clone();
        let at = 4 + flip.index(datagram.len() - 4);
        broken[at] ^= 0x10;
        if let Ok(packet) = Packet::parse(&broken) {
            prop_assert!(packet.open(&keys).is_err(), "byte {}", at);
        }
    }

    #[test]
    fn messages_flags_and_records_read_back(
        net_fn in (0u8..32).prop_map(|n| n * 2), lun in 0u8..4, seq in 0u8..64, code in any::<u8>(), cc in any::<u8>(),
        data in prop::collection::vec(any::<u8>(), 0..64), device in 0u8..16, bits in 0u8..8, record in any::<[u8; 16]>(), mac in any::<[u8; 6]>(),
    ) {
        let request = RequestMessage::to_bmc(net_fn, lun, seq, code, &data);
        let bytes = request.encode();
        prop_assert_eq!(RequestMessage::decode(&bytes).unwrap(), request);
        let response = ResponseMessage { net_fn: net_fn | 1, seq, command: code, completion: cc, data: &data };
        let bytes = response.encode(&request);
        prop_assert_eq!(ResponseMessage::decode(&bytes, true).unwrap(), response);
        let flags = BootFlags { valid: bits & 1 != 0, persistent: bits & 2 != 0, uefi: bits & 4 != 0, device: BootDevice::from_code(device) };
        prop_assert_eq!(BootFlags::decode(&flags.encode()).unwrap(), flags);
        prop_assert_eq!(SelEntry::decode(&record).unwrap().encode(), record.to_vec());
        let mac = MacAddr(mac);
        prop_assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac);
    }

    #[test]
    fn nothing_panics(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::datagram(&data);
        fuzz::session(&data);
        fuzz::records(&data);
    }
}
