//! An open session: its keys, its numbers, how it seals.

use crate::credentials::Privilege;
use crate::wire::crypto::{CipherSuite, SessionKeys};
use crate::wire::v2::{PayloadType, seal};
use crate::wire::v15::AuthType;
use crate::wire::window::Window;

/// What an IPMI v1.5 session is sealed with.
pub(super) struct V15 {
    /// What our messages carry.
    pub(super) auth: AuthType,
    /// The BMC said that messages after the login carry no authentication code: its own may lack one.
    pub(super) per_message_off: bool,
    pub(super) password: zeroize::Zeroizing<Vec<u8>>,
    /// The numbers that it sends are the wrong way round; ours it reads as they should be.
    pub(super) big_endian: bool,
}

pub(super) struct Active {
    pub(super) v15: Option<V15>,
    pub(super) keys: SessionKeys,
    pub(super) managed: u32,
    pub(super) console: u32,
    pub(super) out_seq: u32,
    pub(super) window: Window,
    pub(super) privilege: Privilege,
}

impl Active {
    pub(super) fn new(keys: SessionKeys, managed: u32, console: u32) -> Self {
        // Any step forward is taken: the packet's authentication code is what protects us, and BMCs skip numbers.
        let window = Window::new(32, u32::MAX / 2);
        Self {
            v15: None,
            keys,
            managed,
            console,
            out_seq: 0,
            window,
            privilege: Privilege::User,
        }
    }

    /// A v1.5 session: `first` is the number that the BMC wants to see first. The number that it was told to begin with is not held against it: some
    /// are off by one, some turn its bytes round.
    pub(super) fn v15(v15: V15, session: u32, first: u32) -> Self {
        let keys = SessionKeys::derive(CipherSuite::S0, Vec::new(), &[]);
        let mut active = Self::new(keys, session, session);
        active.out_seq = first.wrapping_sub(1);
        active.v15 = Some(v15);
        active
    }

    pub(super) fn seal(
        &mut self,
        payload_type: PayloadType,
        payload: &[u8],
        iv: [u8; 16],
    ) -> Vec<u8> {
        self.out_seq = self.out_seq.wrapping_add(1).max(1);
        if let Some(v15) = &self.v15 {
            let (auth, seq) = (v15.auth, self.out_seq);
            return crate::wire::v15::seal(auth, &v15.password, self.managed, seq, payload);
        }
        seal(
            &self.keys,
            payload_type,
            self.managed,
            self.out_seq,
            payload,
            iv,
        )
    }
}
