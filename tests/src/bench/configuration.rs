//! The two configurations that are measured, and a private guard with one of them.

use std::fmt::Write as _;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use guard_common::abi::state::{MODE_ENFORCE, NO_DEADLINE, switch};
use guard_user::config::{Config, Format};
use guard_user::kernel::private::PrivateGuard;
use guard_user::policy::{self, Clock, Inputs, PolicyTables, slots};

/// The loopback interface, which every namespace has: frames of test runs come in by it.
pub const LOOPBACK: u32 = 1;
/// The interface by which floods come in.
pub const WAN: &str = "wan0";
/// First of the addresses, one after the other, of the large configuration's other PSAPs.
pub const OTHERS: [u8; 4] = [10, 0, 0, 0];

/// How much is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// PSAPs.
    pub psaps: u32,
    /// Denied prefixes.
    pub denied: u32,
}

impl Size {
    /// A routing core of a county.
    pub const SMALL: Self = Self { psaps: 10, denied: 10 };
    /// All PSAPs of the United States, and a list of botnets.
    pub const LARGE: Self = Self { psaps: 6_000, denied: 100_000 };

    /// The sections of the parties and lists.
    ///
    /// # Errors
    ///
    /// None that happens: text is written to memory.
    pub fn parties(self) -> Result<String> {
        let mut text = String::from(
            "[[psap]]\nid = 'first'\n\
             services = ['198.51.100.10:5060/udp', '198.51.100.10:5061/tls',\n\
             '[2001:db8:10::10]:5060/udp', '[2001:db8:10::10]:5061/tls']\n\
             media = ['198.51.100.10:16384-32767', '[2001:db8:10::10]:16384-32767']\n\
             [[peer]]\nid = 'carrier'\naddresses = ['203.0.113.0/28', '2001:db8:a::/48']\n\
             media = ['203.0.113.0/28:10000-20000', '[2001:db8:a::/48]:10000-20000']\n",
        );
        for number in 1..self.psaps {
            let [_, b, c, d] = number.to_be_bytes();
            let address = format!("{}.{b}.{c}.{d}", OTHERS[0]);
            writeln!(
                text,
                "[[psap]]\nid = 'p{number}'\n\
                 services = ['{address}:5060/udp', '{address}:5061/tls']\n\
                 media = ['{address}:16384-32767']"
            )?;
        }
        for number in 0..self.denied {
            let [_, b, c, d] = number.to_be_bytes();
            let source = format!("{}.{c}.{d}.0/24", 64 + u32::from(b));
            writeln!(text, "[[deny]]\nsource = '{source}'\nowner = 'bench'\nreason = 'bench'")?;
        }
        Ok(text)
    }
}

/// Tables of a size, and the slot of the PSAP that is measured.
///
/// `wan` is the kernel's index of [`WAN`], where there is one.
///
/// # Errors
///
/// The configuration is not valid.
pub fn tables(size: Size, wan: Option<u32>) -> Result<(PolicyTables, u32)> {
    // A test run is a million frames a second of one caller: not what is to be measured.
    let mut text = String::from(
        "[[interface]]\nname = 'lo'\nrole = 'trusted'\n\
         [pins]\nallowance = 'unlimited'\n\
         [bursts]\nper-source = 'unlimited'\nper-psap = 'unlimited'\n",
    );
    let mut interfaces = vec![("lo".to_owned(), LOOPBACK)];
    if let Some(wan) = wan {
        writeln!(text, "[[interface]]\nname = '{WAN}'\nrole = 'trusted'")?;
        interfaces.push((WAN.to_owned(), wan));
    }
    let config = Config::parse("bench", &(text + &size.parties()?), Format::Toml)?;
    config.validate()?;
    let slots = slots::assign(&Default::default(), &config);
    let slot = slots.get("first").copied().context("the first PSAP has no slot")?;
    let inputs = Inputs {
        capacity: slots::capacity(&slots, &config),
        slots: &slots,
        interfaces: &interfaces.into_iter().collect(),
        host: &[],
        clock: Clock { wall: SystemTime::now(), monotonic: 1 },
        generation: 1,
        hash_key: 0x5eed,
    };
    Ok((policy::build(&config, &inputs)?, slot))
}

/// A private guard that enforces, with these tables.
///
/// # Errors
///
/// The kernel does not take it.
pub fn enforcing(tables: &PolicyTables) -> Result<PrivateGuard> {
    let mut guard = PrivateGuard::load(tables)?;
    guard.set_switch(switch::MODE, MODE_ENFORCE)?;
    guard.set_switch(switch::DROP_UNTIL, NO_DEADLINE)?;
    Ok(guard)
}
