//! Named workarounds for BMCs that stray from the specification; the names in brackets are FreeIPMI's.

/// What to tolerate of a BMC. All off by default; what can be detected without weakening security is handled without being asked.
///
/// Handled unasked, and so without a switch here: `authcap` and `opensesspriv` of RMCP+ (capabilities are not asked for, the privilege that comes back is
/// not relied upon), `supermicro20` and `sun20` (codes of RAKP 2 that are too long), `integritycheckvalue` (a code in RAKP 4 where suite 0 has none),
/// `unexpectedauth`, suites refused by the wrong status, by two bytes or by silence, skipped sequence numbers, privileges that are higher than the
/// specification's, a repeated Get Session Challenge (it comes from a new port), and records that are short, long, endless or miscounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Workarounds {
    /// Send 16 bytes of user name in RAKP 1 whatever its length (part of `intel20`).
    pub pad_user: bool,
    /// Cut the password to 16 bytes (part of `intel20`).
    pub short_password: bool,
    /// RAKP 4's check value is as long as the integrity algorithm says, not the authentication algorithm (part of `intel20`).
    pub rakp4_by_integrity: bool,
    /// Look the user up by name and privilege, not by name alone (part of `intel20`).
    pub name_and_privilege: bool,
    /// Ask for the privilege in Open Session rather than for "the highest", which is what `opensesspriv` does and what is done by default. Either is
    /// turned round by itself where the BMC refuses it as an invalid role.
    pub open_privilege: bool,
    /// Accept a console session id of zero in answers (`idzero`).
    pub id_zero: bool,
    /// Do not check the IPMI message's own checksums (`nochecksumcheck`); the session's authentication code still is.
    pub no_checksums: bool,
    /// v1.5: accept answers without an authentication code, or with a wrong one (`noauthcodecheck`): weakens security. Codes where the BMC said that
    /// there would be none (`unexpectedauth`) are accepted without it, if they are right.
    pub unauthenticated: bool,
    /// v1.5: use the first of the allowed authentication types whatever the BMC announces (`authcap`). RMCP+ does not ask for announcements.
    pub auth_capabilities: bool,
    /// v1.5: every message carries its authentication code, whatever the BMC announces (`forcepermsg`).
    pub force_per_message: bool,
    /// v1.5: the BMC sends its session sequence numbers most significant byte first (`endianseq`). Mostly needless: any step forward is taken.
    pub big_endian_seq: bool,
}

impl Workarounds {
    /// Intel's first IPMI 2.0 BMCs (`intel20`).
    #[must_use]
    pub fn intel20() -> Self {
        Self {
            pad_user: true,
            short_password: true,
            rakp4_by_integrity: true,
            name_and_privilege: true,
            ..Self::default()
        }
    }
}
