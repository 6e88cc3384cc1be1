//! Addresses and prefixes as the configuration writes them.
//!
//! A [`Network`] that exists is sound: no bits beyond its length, not IPv4 in IPv6's clothes, and
//! not so wide that it means "everybody": the rule whose field was empty stopped 111 million
//! calls (Level 3, 2016). Knows nothing of ports, roles or sections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::error::Problem;
use super::text::text_type;

/// Shortest IPv4 prefix. The widest that anybody has a use for is 224.0.0.0/3; what is shorter
/// is a half or a quarter of the Internet, and two or four such entries are all of it.
const LENGTH4_MIN: u8 = 3;

/// All public IPv6 addresses. A prefix that holds them all is "everybody".
const PUBLIC6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// One address or one prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

impl Network {
    /// The prefix.
    #[must_use]
    pub const fn net(self) -> IpNet {
        self.0
    }

    /// Why no party of a call can have such an address, if it cannot.
    pub(super) fn unusable(self) -> Option<&'static str> {
        let overlaps = |net: IpNet| net.contains(&self.0) || self.0.contains(&net);
        SPECIAL.into_iter().find(|(net, _)| overlaps(*net)).map(|(_, name)| name)
    }
}

const fn special4(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn special6(first: u16, last: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last), length))
}

/// What is nobody's own address (RFC 6890, RFC 5771, RFC 4291).
const SPECIAL: [(IpNet, &str); 7] = [
    (special4(0, 0, 0, 0, 8), "unspecified"),
    (special4(127, 0, 0, 0, 8), "loopback"),
    (special4(224, 0, 0, 0, 4), "multicast"),
    (special4(255, 255, 255, 255, 32), "broadcast"),
    (special6(0, 0, 128), "unspecified"),
    (special6(0, 1, 128), "loopback"),
    (special6(0xff00, 0, 8), "multicast"),
];

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

impl FromStr for Network {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| not_an_address(text))?;
        let net = match length {
            None => IpNet::from(address),
            Some(length) => {
                let length = length.parse().ok();
                let net = length.and_then(|length| IpNet::new(address, length).ok());
                net.ok_or_else(|| wrong_length(text, address))?
            }
        };
        Self::try_from(net)
    }
}

fn not_an_address(text: &str) -> Problem {
    let next = "write the address itself, such as 198.51.100.10 or 2001:db8::/48: names are not \
                looked up, so that no DNS failure can stop the guard";
    if text.is_empty() {
        return Problem::new("an empty address", next);
    }
    Problem::new(format!("{text:?} is not an IP address or prefix"), next)
}

fn wrong_length(text: &str, address: IpAddr) -> Problem {
    let longest = if address.is_ipv4() { 32 } else { 128 };
    Problem::new(
        format!("{text:?} has no valid prefix length"),
        format!("write {address}/ and a length of at most {longest}, or the address alone"),
    )
}

impl TryFrom<IpNet> for Network {
    type Error = Problem;

    fn try_from(net: IpNet) -> Result<Self, Problem> {
        if net.prefix_len() == 0 {
            return Err(everybody(net, "every address"));
        }
        if net.addr() != net.network() {
            return Err(Problem::new(
                format!("{net} has bits set beyond its length"),
                format!(
                    "write {} for the network or {} for the one address",
                    net.trunc(),
                    net.addr()
                ),
            ));
        }
        match net {
            IpNet::V4(v4) if v4.prefix_len() < LENGTH4_MIN => {
                Err(everybody(net, "a quarter of the Internet or more"))
            }
            IpNet::V6(v6) if v6.contains(&PUBLIC6) => {
                Err(everybody(net, "all public IPv6 addresses"))
            }
            IpNet::V6(v6) => match v6.addr().to_ipv4_mapped() {
                Some(v4) => Err(Problem::new(
                    format!("{net} is an IPv4 address written as IPv6"),
                    format!("write {v4}, the form it has on the wire"),
                )),
                None => Ok(Self(net)),
            },
            IpNet::V4(_) => Ok(Self(net)),
        }
    }
}

fn everybody(net: IpNet, what: &str) -> Problem {
    Problem::new(
        format!("{net} matches {what}"),
        "write the prefixes that are meant: an entry for everybody is always a mistake here",
    )
}

text_type!(Network);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn problem(text: &str) -> Problem {
        text.parse::<Network>().unwrap_err()
    }

    #[test]
    fn addresses_and_prefixes_read_and_print_alike() {
        for text in ["198.51.100.10", "198.51.100.0/28", "2001:db8::10", "2001:db8::/48"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("10.0.0.1/32".parse::<Network>().unwrap().to_string(), "10.0.0.1");
    }

    #[test]
    fn host_bits_are_an_error_that_says_what_to_write() {
        let problem = problem("198.51.100.10/24");
        assert!(problem.reason.contains("bits set beyond its length"));
        assert!(
            problem.next.contains("198.51.100.0/24") && problem.next.contains("198.51.100.10 ")
        );
    }

    #[test]
    fn everybody_is_an_error() {
        for text in
            ["0.0.0.0/0", "::/0", "10.0.0.0/0", "0.0.0.0/1", "192.0.0.0/2", "::/1", "2000::/3"]
        {
            assert!(problem(text).reason.contains("matches"), "{text}");
        }
        for text in ["224.0.0.0/3", "10.0.0.0/8", "fc00::/7", "8000::/1"] {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        for text in [
            "",
            "sip.example.org",
            "10.0.0",
            "10.0.0.1/33",
            "10.0.0.1/",
            "fe80::1%eth0",
            "10.0.0.1/x",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!(problem("::ffff:10.0.0.1").next.contains("10.0.0.1"));
    }

    #[test]
    fn special_addresses_are_nobodys() {
        let unusable = |text: &str| text.parse::<Network>().unwrap().unusable();
        assert_eq!(unusable("127.0.0.1"), Some("loopback"));
        assert_eq!(unusable("::1"), Some("loopback"));
        assert_eq!(unusable("0.0.0.0"), Some("unspecified"));
        assert_eq!(unusable("224.0.0.0/3"), Some("multicast"));
        assert_eq!(unusable("ff02::1"), Some("multicast"));
        assert_eq!(unusable("255.255.255.255"), Some("broadcast"));
        assert_eq!(unusable("198.51.100.0/24"), None);
    }
}
