//! Network prefixes, for the oracle's own look-ups.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::random::Random;

/// A network prefix.
#[derive(Clone, Copy, Debug)]
pub struct Net {
    address: IpAddr,
    length: u8,
}

impl Net {
    /// A prefix; the bits behind it are zero.
    const fn new(address: IpAddr, length: u8) -> Self {
        Self { address, length }
    }

    /// An IPv4 prefix.
    #[must_use]
    pub fn v4(address: [u8; 4], length: u8) -> Self {
        Self::new(Ipv4Addr::from(address).into(), length)
    }

    /// An IPv6 prefix, by the first three words.
    #[must_use]
    pub fn v6([first, second, third]: [u16; 3], length: u8) -> Self {
        Self::new(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0).into(), length)
    }

    /// An IPv6 address, by its first three words and the last.
    #[must_use]
    pub fn host6([first, second, third]: [u16; 3], last: u16) -> Self {
        Self::new(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, last).into(), 128)
    }

    /// Its bits at the upper end of 128, and a mask of those behind it.
    fn bits(&self, address: IpAddr) -> (u128, u128) {
        let bits = match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        (bits, u128::MAX.checked_shr(self.length.into()).unwrap_or(0))
    }

    /// Whether an address lies within.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((own, behind), (other, _)) = (self.bits(self.address), self.bits(address));
        self.address.is_ipv4() == address.is_ipv4() && own == other & !behind
    }

    /// An address within.
    pub fn address(&self, random: &mut Random) -> IpAddr {
        let (own, behind) = self.bits(self.address);
        let chance = (u128::from(random.bits()) << 64 | u128::from(random.bits())) & behind;
        match self.address {
            IpAddr::V4(_) => {
                Ipv4Addr::from_bits(u32::try_from((own | chance) >> 96).unwrap_or(0)).into()
            }
            IpAddr::V6(_) => Ipv6Addr::from_bits(own | chance).into(),
        }
    }

    /// As the configuration writes it.
    pub fn text(&self) -> String {
        format!("{}/{}", self.address, self.length)
    }

    /// As an endpoint of the configuration: `192.0.2.0/28:` or `[2001:db8::]/48:` and a port.
    pub fn endpoint(&self, port: &str) -> String {
        match self.address {
            IpAddr::V4(_) => format!("{}:{port}", self.text()),
            IpAddr::V6(_) => format!("[{}]:{port}", self.text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let net = Net::v4([198, 51, 100, 16], 28);
        let is_in = |text: &str| text.parse().is_ok_and(|address| net.contains(address));
        assert!(is_in("198.51.100.16") && is_in("198.51.100.31"));
        assert!(!is_in("198.51.100.32") && !is_in("2001:db8::1"));
        let mut random = Random::new(1);
        assert!((0..100).all(|_| net.contains(net.address(&mut random))));
    }
}
