//! What the bench measures: programs and the frames they are given.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use aya::maps::PerCpuHashMap;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use etherparse::PacketBuilder;
use guard_common::abi::state::{MODE_ENFORCE, NO_DEADLINE, switch};
use guard_user::config::{Config, Format};
use guard_user::kernel::private::PrivateGuard;
use guard_user::policy::{self, Clock, Inputs, slots};
use serde::Serialize;

use crate::netns::bpffs::PrivateBpffs;

/// The loopback interface, which every namespace has.
const LOOPBACK: u32 = 1;
const PSAP: [u8; 4] = [198, 51, 100, 10];
const PEER: [u8; 4] = [203, 0, 113, 1];
const STRANGER: [u8; 4] = [192, 0, 2, 77];
/// Where Debian's xdp-tools keeps the program that has all features and denies what is listed.
const XDP_FILTER: &str = "/usr/lib/x86_64-linux-gnu/bpf/xdpfilt_dny_all.o";
const XDP_FILTER_PROGRAM: &str = "xdpfilt_dny_all";
/// `xdp-filter`'s flag for "as a destination".
const XDP_FILTER_DESTINATION: u64 = 2;

/// A measured row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Nanoseconds.
    pub median: f64,
    /// Nanoseconds, fastest round.
    pub min: f64,
    /// Nanoseconds, slowest round.
    pub max: f64,
}

/// A program and a frame.
pub struct Subject {
    name: String,
    frame: Vec<u8>,
    program: Program,
    rounds: Vec<f64>,
}

enum Program {
    Other { object: Ebpf, name: &'static str },
    Guard(std::rc::Rc<std::cell::RefCell<PrivateGuard>>),
}

impl Subject {
    /// One round.
    pub fn measure(&mut self, repeat: u32) -> Result<()> {
        let time = match &mut self.program {
            Program::Guard(guard) => guard.borrow_mut().time(&self.frame, LOOPBACK, repeat)?,
            Program::Other { object, name } => time(object, name, &self.frame, repeat)?,
        };
        self.rounds.push(time.as_secs_f64() * 1e9);
        Ok(())
    }

    /// The figures of all rounds.
    pub fn row(&self) -> Result<Row> {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        let at = |place: usize| rounds.get(place).copied().context("nothing was measured");
        Ok(Row {
            name: self.name.clone(),
            median: at(rounds.len() / 2)?,
            min: at(0)?,
            max: at(rounds.len().saturating_sub(1))?,
        })
    }
}

fn time(object: &mut Ebpf, name: &str, frame: &[u8], repeat: u32) -> Result<Duration> {
    let program: &mut Xdp = object.program_mut(name).context("no such program")?.try_into()?;
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    options.repeat = repeat;
    Ok(program.test_run(options)?.duration)
}

/// Everything that is measured.
pub fn subjects() -> Result<Vec<Subject>> {
    let mut subjects =
        vec![floor("floor: pass", "floor_pass")?, floor("floor: drop", "floor_drop")?];
    if Path::new(XDP_FILTER).exists() {
        subjects.push(xdp_filter()?);
    }
    let small = std::rc::Rc::new(std::cell::RefCell::new(guard(1, 0)?));
    let large = std::rc::Rc::new(std::cell::RefCell::new(guard(6_000, 100_000)?));
    for (size, guard) in [("", &small), (", large", &large)] {
        for (name, frame) in frames()? {
            subjects.push(Subject {
                name: format!("{name}{size}"),
                frame,
                program: Program::Guard(std::rc::Rc::clone(guard)),
                rounds: Vec::new(),
            });
        }
    }
    Ok(subjects)
}

/// The frames every guard is given.
fn frames() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let invite = "INVITE urn:service:sos SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.77\r\n\r\n";
    let options = "OPTIONS sip:psap@198.51.100.10 SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n";
    Ok(vec![
        ("UDP flood, dropped", udp(STRANGER, PSAP, 40_000, 9, &[0; 22])?),
        ("UDP flood at 5060, dropped", udp(STRANGER, PSAP, 40_000, 5060, &[0; 22])?),
        ("SIP flood, dropped", udp(STRANGER, PSAP, 5060, 5060, options.as_bytes())?),
        ("SYN flood, dropped", syn()?),
        ("peer's INVITE", udp(PEER, PSAP, 5060, 5060, invite.as_bytes())?),
        ("peer's RTP", udp(PEER, PSAP, 20_000, 30_000, &[0x80; 172])?),
        ("stranger's marked INVITE", udp(STRANGER, PSAP, 5060, 5060, invite.as_bytes())?),
        ("transit", udp(STRANGER, [192, 0, 2, 1], 1, 2, &[0; 22])?),
        ("ARP", arp()),
    ])
}

fn udp(from: [u8; 4], to: [u8; 4], source: u16, port: u16, payload: &[u8]) -> Result<Vec<u8>> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(from, to, 64)
        .udp(source, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload)?;
    Ok(frame)
}

fn syn() -> Result<Vec<u8>> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(STRANGER, PSAP, 64)
        .tcp(40_000, 5061, 1, 1024)
        .syn();
    let mut frame = Vec::new();
    builder.write(&mut frame, &[])?;
    Ok(frame)
}

fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    frame.extend([0x08, 0x06]);
    frame.resize(60, 0);
    frame
}

fn objects() -> PathBuf {
    env::var_os("GUARD_BPF_DIR").map_or_else(|| PathBuf::from("target/bpf"), PathBuf::from)
}

fn floor(name: &str, program: &'static str) -> Result<Subject> {
    let path = objects().join("generator.o");
    let mut object = Ebpf::load_file(&path)
        .with_context(|| format!("{}: run `cargo xtask build`", path.display()))?;
    let loaded: &mut Xdp = object.program_mut(program).context("no such program")?.try_into()?;
    loaded.load()?;
    Ok(Subject {
        name: name.to_owned(),
        frame: udp(STRANGER, PSAP, 40_000, 9, &[0; 22])?,
        program: Program::Other { object, name: program },
        rounds: Vec::new(),
    })
}

/// `xdp-filter` as its own tool sets it up, with our PSAP's address denied.
fn xdp_filter() -> Result<Subject> {
    // Its maps ask to be pinned by name: in a BPF file system that goes with the maps' pins.
    let pins = tempfile::tempdir().context("no folder for the pins of xdp-filter")?;
    let pins = PrivateBpffs::mount(pins.path())?;
    let loaded = EbpfLoader::new().default_map_pin_directory(pins.path()).load_file(XDP_FILTER);
    let mut object = loaded.context(XDP_FILTER)?;
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
    let mut addresses: PerCpuHashMap<_, u32, u64> =
        object.map_mut("filter_ipv4").context("xdp-filter has no filter_ipv4")?.try_into()?;
    let flags = aya::maps::PerCpuValues::try_from(vec![XDP_FILTER_DESTINATION; cpus])?;
    addresses.insert(u32::from_ne_bytes(PSAP), flags, 0)?;
    let loaded: &mut Xdp =
        object.program_mut(XDP_FILTER_PROGRAM).context("no such program")?.try_into()?;
    loaded.load()?;
    Ok(Subject {
        name: "xdp-filter: drop by address".to_owned(),
        frame: udp(STRANGER, PSAP, 40_000, 9, &[0; 22])?,
        program: Program::Other { object, name: XDP_FILTER_PROGRAM },
        rounds: Vec::new(),
    })
}

/// A private guard that enforces, with so many PSAPs and denied prefixes.
fn guard(psaps: u32, denied: u32) -> Result<PrivateGuard> {
    let config = Config::parse("bench", &configuration(psaps, denied)?, Format::Toml)?;
    config.validate()?;
    let slots = slots::assign(&Default::default(), &config);
    let inputs = Inputs {
        capacity: slots::capacity(&slots, &config),
        slots: &slots,
        interfaces: &[("lo".to_owned(), LOOPBACK)].into(),
        host: &[],
        clock: Clock { wall: SystemTime::now(), monotonic: 1 },
        generation: 1,
        hash_key: 0x5eed,
    };
    let mut guard = PrivateGuard::load(&policy::build(&config, &inputs)?)?;
    guard.set_switch(switch::MODE, MODE_ENFORCE)?;
    guard.set_switch(switch::DROP_UNTIL, NO_DEADLINE)?;
    Ok(guard)
}

fn configuration(psaps: u32, denied: u32) -> Result<String> {
    let mut text = String::from(
        "[[interface]]\nname = 'lo'\nrole = 'trusted'\n\
         [[psap]]\nid = 'first'\nservices = ['198.51.100.10:5060/udp', '198.51.100.10:5061/tls']\n\
         media = ['198.51.100.10:16384-32767']\n\
         [[peer]]\nid = 'carrier'\naddresses = ['203.0.113.0/28']\n",
    );
    for number in 1..psaps {
        let [_, b, c, d] = number.to_be_bytes();
        writeln!(
            text,
            "[[psap]]\nid = 'p{number}'\nservices = ['10.{b}.{c}.{d}:5060/udp', '10.{b}.{c}.{d}:5061/tls']\n\
             media = ['10.{b}.{c}.{d}:16384-32767']"
        )?;
    }
    for number in 0..denied {
        let [_, b, c, d] = number.to_be_bytes();
        writeln!(
            text,
            "[[deny]]\nsource = '{}.{c}.{d}.0/24'\nowner = 'bench'\nreason = 'bench'",
            64 + b
        )?;
    }
    Ok(text)
}
