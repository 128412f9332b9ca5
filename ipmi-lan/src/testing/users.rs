//! Users and channels of a simulated BMC.

use super::commands::{Answer, BAD_LENGTH, Context, INVALID_FIELD};
use super::state::{BmcState, User};
use crate::credentials::Privilege;

/// How many users it can have.
const MOST: u8 = 10;
/// "Password test failed", of Set User Password.
const DIFFERS: u8 = 0x80;

impl BmcState {
    pub(super) fn user_command(&mut self, ctx: &mut Context<'_>, code: u8, data: &[u8]) -> Answer {
        let id = |byte: u8| match byte & 0x3f {
            id @ 1..=MOST => Ok(id),
            _ => Err(INVALID_FIELD),
        };
        match (code, data) {
            // Get Channel Access: always available, administrator.
            (0x41, [..]) => Ok(vec![0x22, 0x04]),
            (0x40, [..]) => Ok(Vec::new()),
            // Get Channel Info: LAN, many sessions.
            (0x42, [channel, ..]) => match channel & 0x0f {
                0x01 | 0x0e => Ok(vec![0x01, 0x04, 0x01, 0x81, 0xf2, 0x1b, 0x00, 0x00, 0x00]),
                _ => Err(INVALID_FIELD),
            },
            (0x43, [access, user, privilege, ..]) => {
                let user = self.users.entry(id(*user)?).or_insert_with(User::blank);
                if access & 0x80 != 0 {
                    user.messaging = access & 0x10 != 0;
                }
                match privilege & 0x0f {
                    0x0f => user.messaging = false,
                    level => user.privilege = Privilege::from_code(level).ok_or(INVALID_FIELD)?,
                }
                ctx.changed = true;
                Ok(Vec::new())
            }
            (0x44, [_, user, ..]) => {
                let enabled = self.users.values().filter(|u| u.enabled).count() as u8;
                let (state, access) = match self.users.get(&id(*user)?) {
                    None => (0x80, 0x0f),
                    Some(user) => {
                        let access = if user.messaging {
                            0x30 | user.privilege.code()
                        } else {
                            0x2f
                        };
                        (if user.enabled { 0x40 } else { 0x80 }, access)
                    }
                };
                Ok(vec![MOST, state | enabled, 1, access])
            }
            (0x45, [user, name @ ..]) if name.len() >= 16 => {
                let user = self.users.entry(id(*user)?).or_insert_with(User::blank);
                let end = name.iter().position(|b| *b == 0).unwrap_or(16).min(16);
                user.name = String::from_utf8_lossy(&name[..end]).into_owned();
                ctx.changed = true;
                (ctx.counts)("user-set");
                Ok(Vec::new())
            }
            (0x46, [user, ..]) => {
                let mut name = self
                    .users
                    .get(&id(*user)?)
                    .map(|u| u.name.as_bytes().to_vec())
                    .unwrap_or_default();
                name.resize(16, 0);
                Ok(name)
            }
            (0x47, [user, operation, password @ ..]) => {
                let long = user & 0x80 != 0;
                let user = self.users.entry(id(*user)?).or_insert_with(User::blank);
                let given = || {
                    let most = if long { 20 } else { 16 };
                    let bytes = password.get(..most).ok_or(BAD_LENGTH)?;
                    let end = bytes
                        .iter()
                        .rposition(|b| *b != 0)
                        .map_or(0, |last| last + 1);
                    Ok::<_, u8>(bytes[..end].to_vec())
                };
                match operation & 3 {
                    0 => user.enabled = false,
                    1 => user.enabled = true,
                    2 => user.password = given()?,
                    _ if given()? != user.password => return Err(DIFFERS),
                    _ => {}
                }
                ctx.changed = true;
                Ok(Vec::new())
            }
            _ => Err(BAD_LENGTH),
        }
    }
}
