//! The sorts of single values: what each is called in a message, and how it is read.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use url::Url;

use super::reader::Scalar;
use super::value::Channel;

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident: $type:ty, $expected:literal, $parse:expr) => {
        $(#[$doc])*
        pub(crate) const $name: Scalar<$type> = Scalar { expected: $expected, parse: $parse };
    };
}

kind!(TEXT: String, "some text", |text| Some(text.to_owned()));
kind!(FLAG: bool, "true or false", |text| match text {
    "true" | "True" | "TRUE" => Some(true),
    "false" | "False" | "FALSE" => Some(false),
    _ => None,
});
kind!(COUNT: u32, "a whole number, 0 or more", |text| text.parse().ok());
kind!(POSITIVE: u32, "a whole number above 0", |text| text.parse().ok().filter(|n| *n > 0));
kind!(PORT: u16, "a port, 1 to 65535", |text| text.parse().ok().filter(|port| *port > 0));
kind!(SHARES: u8, "a whole number from 1 to 255", |text| text.parse().ok().filter(|n| *n > 0));
kind!(
    /// MAAS takes overcommit ratios up to 10.
    RATIO: f64, "a ratio above 0, at most 10",
    |text| text.parse().ok().filter(|ratio: &f64| *ratio > 0.0 && *ratio <= 10.0)
);
kind!(IPV4: Ipv4Addr, "an IPv4 address", |text| text.parse().ok());
kind!(ADDRESS: IpAddr, "an IP address", |text| text.parse().ok());
kind!(
    SUBNET: Ipv4Net, "an IPv4 subnet such as 10.42.0.0/16, its host bits zero",
    |text| text.parse().ok().filter(|net: &Ipv4Net| net.network() == net.addr())
);
kind!(
    /// Of a service that is reached as it is: the user and password have keys of their own.
    SERVICE_URL: Url, "an http or https URL without user and password",
    |text| url(text).filter(|url| url.username().is_empty() && url.password().is_none())
);
kind!(
    /// Of a proxy or a mirror, which may want a login.
    URL: Url, "an http or https URL", url
);
kind!(
    EMAIL: String, "an email address such as admin@example.com",
    |text| {
        let (user, host) = text.split_once('@')?;
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let clean = |part: &str| !part.is_empty() && !part.contains([' ', '@', '<', '>', ',', ';']);
        (clean(user) && clean(host) && host.contains('.') && host.split('.').all(label)).then(|| text.to_owned())
    }
);
kind!(
    CHANNEL: Channel,
    "a channel: track, track/risk or track/risk/branch, risk being stable, candidate, beta or edge; such as 3.4/stable",
    |text| text.parse().ok()
);
kind!(DURATION: Duration, "a duration above 0, such as 30s, 15m, 2h or 1h30m", duration);
kind!(
    HOSTNAME: String, "a host name: letters, digits and dashes, at most 63",
    |text| host_label(text).then(|| text.to_owned())
);
kind!(
    /// Source: Linux's IFNAMSIZ, 16 with the final zero.
    INTERFACE: String, "a network interface's name, at most 15 characters without spaces and slashes",
    |text| {
        let fits = text.len() <= 15 && text != "." && text != "..";
        (fits && text.chars().all(|c| c.is_ascii_graphic() && c != '/' && c != ':')).then(|| text.to_owned())
    }
);
kind!(
    /// Source: MAAS's tag names, `[a-zA-Z0-9_-]+`.
    TAG: String, "a tag: letters, digits, _ and -",
    |text| word(text, "_-").then(|| text.to_owned())
);
kind!(
    RELEASE: String, "an Ubuntu release by its name, such as jammy",
    |text| text.chars().all(|c| c.is_ascii_lowercase()).then(|| text.to_owned())
);
kind!(
    /// MAAS and PostgreSQL take more; a shell, a URL and a certificate do not.
    NAME: String, "a name: letters, digits, and . _ - within, beginning with a letter or digit",
    |text| (word(text, "._-") && text.starts_with(|c: char| c.is_ascii_alphanumeric()))
        .then(|| text.to_owned())
);
kind!(
    /// Juju checks this only in its client: a controller accepts a bad cloud name and then fails for everybody.
    CLOUD_NAME: String, "a cloud's name: letters, digits, . and - within",
    |text| (word(text, ".-") && text.starts_with(|c: char| c.is_ascii_alphanumeric()))
        .then(|| text.to_owned())
);
kind!(
    /// Source: Juju's `names.IsValidModelName`.
    MODEL_NAME: String, "a model's name: lower-case letters, digits and dashes within",
    |text| {
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inner = text.chars().all(|c| ends(c) || c == '-');
        (inner && text.starts_with(ends) && text.ends_with(ends)).then(|| text.to_owned())
    }
);
kind!(
    MAC: String, "a MAC address of one NIC, such as 52:54:00:12:34:56", mac
);
kind!(
    SHA256: String, "a SHA-256 digest: 64 hex digits",
    |text| (text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit())).then(|| text.to_lowercase())
);
kind!(
    /// Suite 0 has no authentication at all; 4 and above 17 want RC4 or are not assigned.
    SUITE: u8, "an IPMI cipher suite with authentication: 17, 3, or another of 1 to 17",
    |text| text.parse().ok().filter(|suite| (1..=17).contains(suite))
);
kind!(
    /// Source: IPMI v2.0, 22.28: 16 bytes.
    IPMI_USER: String, "a BMC user, at most 16 bytes",
    |text| (text.len() <= 16).then(|| text.to_owned())
);
kind!(
    ENDPOINT: String, "host:port, or a host",
    |text| {
        let clean = !text.contains(['/', ' ', '@']) && !text.starts_with(':') && !text.is_empty();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        (clean && !host.is_empty() && port).then(|| text.to_owned())
    }
);
kind!(ARCHITECTURE: String, "an architecture: amd64, arm64, ppc64el, s390x, riscv64 or one of these with a subarchitecture, such as amd64/generic", |text| {
    let main = text.split('/').next()?;
    let known = ["amd64", "arm64", "armhf", "i386", "ppc64el", "s390x", "riscv64"].contains(&main);
    (known && !text.ends_with('/')).then(|| text.to_owned())
});

fn url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.host().is_some()).then_some(url)
}

fn word(text: &str, more: &str) -> bool {
    !text.is_empty()
        && text.len() <= 250
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn host_label(text: &str) -> bool {
    word(text, "-") && text.len() <= 63 && !text.starts_with('-') && !text.ends_with('-')
}

fn mac(text: &str) -> Option<String> {
    let text = text.to_lowercase().replace('-', ":");
    let octets: Vec<u8> = text
        .split(':')
        .map(|part| {
            if part.len() == 2 {
                u8::from_str_radix(part, 16).ok()
            } else {
                None
            }
        })
        .collect::<Option<_>>()?;
    let first = *octets.first()?;
    let of_one_nic = first & 1 == 0 && octets.iter().any(|octet| *octet != 0);
    (octets.len() == 6 && of_one_nic && !text.contains('+')).then_some(text)
}

/// `1h30m`, `45s`, `500ms`, `2d`: numbers with units, largest first or not.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: u64 = rest[..digits].parse().ok()?;
        let tail = rest[digits..].trim_start();
        let unit_end = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let milliseconds: u64 = match &tail[..unit_end] {
            "ms" => 1,
            "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => return None,
        };
        let part = Duration::from_millis(count.checked_mul(milliseconds)?);
        total = total.checked_add(part)?;
        rest = tail[unit_end..].trim_start();
    }
    // A year: what is longer was not meant, and overflows clocks.
    (total > Duration::ZERO && total <= Duration::from_secs(366 * 86_400)).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_want_a_unit() {
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("2 hours"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in [
            "30",
            "0s",
            "",
            "h",
            "-5s",
            "5x",
            "99999999999999999999s",
            "9999999d",
            "5é",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn macs_are_of_one_nic() {
        assert_eq!(
            mac("52-54-00-AB-cd-01").as_deref(),
            Some("52:54:00:ab:cd:01")
        );
        for wrong in [
            "00:00:00:00:00:00",
            "01:00:5e:00:00:01",
            "52:54:00:12:34",
            "525400123456",
            "+2:54:00:12:34:56",
        ] {
            assert_eq!(mac(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn odd_words() {
        let email = |text| (EMAIL.parse)(text).is_some();
        assert!(email("admin@example.com"));
        assert!(
            !email("admin@example")
                && !email("@example.com")
                && !email("a@b@c.d")
                && !email("a@.com")
        );
        let endpoint = |text| (ENDPOINT.parse)(text).is_some();
        assert!(
            endpoint("10.0.0.1:17070")
                && endpoint("juju.example")
                && endpoint("[fd00::1]:17070")
                && endpoint("fd00::1")
        );
        assert!(
            !endpoint("https://10.0.0.1")
                && !endpoint(":17070")
                && !endpoint("host:0")
                && !endpoint("host:x")
        );
        assert!((SUBNET.parse)("10.42.0.1/16").is_none());
    }
}
