//! What is measured: the floor, `xdp-filter`, guards, and each of them behind the program that
//! draws addresses.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aya::maps::{PerCpuHashMap, ProgramArray};
use aya::programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use guard_common::abi::state::SlotCounters;
use guard_common::reason::Reason;
use guard_user::kernel::private::PrivateGuard;

use super::configuration::{LOOPBACK, Size, enforcing, tables};
use super::frames::{XDP_DROP, XDP_PASS};
use crate::guard_process::generator_object;
use crate::netns::bpffs::PrivateBpffs;

/// The program that has all features and lets pass ("alw") what is not listed. Its "dny" is the other
/// way round.
const XDP_FILTER_PROGRAM: &str = "xdpfilt_alw_all";
/// `xdp-filter`'s flag for "as a destination".
const XDP_FILTER_DESTINATION: u64 = 2;
/// The PSAP's address, which `xdp-filter` denies.
const PSAP: [u8; 4] = [198, 51, 100, 10];
/// Frames that one run of test runs makes between two looks at the controller's rings: what they
/// leave behind has room there.
const DRAINED: u32 = 256;

/// Most such looks in a round: each is a system call or more.
const DRAINS_MAX: u32 = 40;

/// Something that decides about frames.
pub enum Program {
    /// A program of an object.
    Other {
        /// The object.
        object: Ebpf,
        /// The program.
        name: &'static str,
    },
    /// A guard, and the slot of the PSAP that frames go to.
    Guard(Box<PrivateGuard>, u32),
    /// The program that draws addresses, before another.
    Drawn(Ebpf, Shared),
}

/// A program that several subjects are about.
pub type Shared = Rc<RefCell<Program>>;

impl Program {
    /// A program that does nothing.
    ///
    /// # Errors
    ///
    /// It was not built, or the kernel does not take it.
    pub fn floor(name: &'static str) -> Result<Self> {
        let mut object = generator(0, 0)?;
        load(&mut object, name)?;
        Ok(Self::Other { object, name })
    }

    /// `xdp-filter` as its own tool sets it up, with our PSAP's address denied; none where it is
    /// not installed.
    ///
    /// # Errors
    ///
    /// The kernel does not take it.
    pub fn xdp_filter() -> Result<Option<Self>> {
        let Some(path) = xdp_filter_object() else { return Ok(None) };
        // Its maps ask to be pinned by name: in a BPF file system that goes with their pins.
        let pins = tempfile::tempdir().context("no folder for the pins of xdp-filter")?;
        let pins = PrivateBpffs::mount(pins.path())?;
        let loaded = EbpfLoader::new().default_map_pin_directory(pins.path()).load_file(&path);
        let mut object = loaded.with_context(|| path.display().to_string())?;
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        let addresses = object.map_mut("filter_ipv4").context("xdp-filter has no filter_ipv4")?;
        let mut addresses: PerCpuHashMap<_, u32, u64> = addresses.try_into()?;
        let flags = aya::maps::PerCpuValues::try_from(vec![XDP_FILTER_DESTINATION; cpus])?;
        addresses.insert(u32::from_ne_bytes(PSAP), flags, 0)?;
        load(&mut object, XDP_FILTER_PROGRAM)?;
        Ok(Some(Self::Other { object, name: XDP_FILTER_PROGRAM }))
    }

    /// A guard of a size; `wan` is the index of the interface by which floods come in, if any do.
    ///
    /// # Errors
    ///
    /// The kernel does not take it.
    pub fn guard(size: Size, wan: Option<u32>) -> Result<Self> {
        let (tables, slot) = tables(size, wan)?;
        Ok(Self::Guard(Box::new(enforcing(&tables)?), slot))
    }

    /// A program that gives each frame another source, and another destination, before this one
    /// decides: as many as these bits have values.
    ///
    /// # Errors
    ///
    /// The kernel does not take it.
    pub fn drawn(behind: &Shared, sources: u32, destinations: u32) -> Result<Self> {
        let mut object = generator(sources, destinations)?;
        load(&mut object, "drawn")?;
        let program = behind.borrow_mut().descriptor()?;
        let next = object.map_mut("NEXT").context("the generator object has no NEXT")?;
        ProgramArray::try_from(next)?.set(0, &program, 0)?;
        Ok(Self::Drawn(object, Rc::clone(behind)))
    }

    fn descriptor(&mut self) -> Result<ProgramFd> {
        Ok(self.xdp()?.fd()?.try_clone()?)
    }

    /// The program itself.
    ///
    /// # Errors
    ///
    /// The object has none of that name.
    pub fn xdp(&mut self) -> Result<&mut Xdp> {
        match self {
            Self::Guard(guard, _) => Ok(guard.generation().program()?),
            Self::Other { object, name } => program(object, name),
            Self::Drawn(object, _) => program(object, "drawn"),
        }
    }

    /// The mean time of so many runs of a frame. Of frames that are copied, `drained` says whether
    /// their copies find room.
    ///
    /// # Errors
    ///
    /// The kernel does not run it.
    pub fn time(&mut self, frame: &[u8], repeat: u32, drained: bool) -> Result<Duration> {
        if !drained {
            return Ok(test_run(self.xdp()?, frame, repeat)?.1);
        }
        let times = (repeat / DRAINED).clamp(1, DRAINS_MAX);
        let mut sum = Duration::ZERO;
        for _ in 0..times {
            self.drain();
            sum += test_run(self.xdp()?, frame, DRAINED)?.1;
        }
        Ok(sum / times)
    }

    fn drain(&mut self) {
        match self {
            Self::Guard(guard, _) => {
                guard.drain();
            }
            Self::Drawn(_, behind) => behind.borrow_mut().drain(),
            Self::Other { .. } => {}
        }
    }

    /// Runs a frame: the action.
    ///
    /// # Errors
    ///
    /// The kernel does not run it.
    pub fn run(&mut self, frame: &[u8]) -> Result<u32> {
        Ok(test_run(self.xdp()?, frame, 1)?.0)
    }

    /// What a guard counted so far, of nobody and of the PSAP.
    ///
    /// # Errors
    ///
    /// The kernel does not say.
    pub fn counted(&self) -> Result<Option<Counted>> {
        let Self::Guard(guard, slot) = self else { return Ok(None) };
        Ok(Some(Counted([guard.counters(0)?, guard.counters(*slot)?])))
    }
}

/// What a guard counted.
#[derive(Clone)]
pub struct Counted([SlotCounters; 2]);

impl Counted {
    /// What became of most frames since then: the XDP action and the reason.
    #[must_use]
    pub fn most_since(&self, before: &Self) -> Option<(u32, &'static str)> {
        let increase = |number: u32| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let sum = |counted: &Self| {
                let of = |slot: &SlotCounters| slot.counters.get(number).map_or(0, |c| c.packets);
                counted.0.iter().map(of).sum::<u64>()
            };
            sum(self) - sum(before)
        };
        let all = Reason::all().flat_map(|reason| {
            let dropped = reason.dropped_counter().map(|number| (increase(number), XDP_DROP));
            [Some((increase(reason.counter()), XDP_PASS)), dropped]
                .into_iter()
                .flatten()
                .map(move |(frames, action)| (frames, action, reason.name()))
        });
        let (frames, action, reason) = all.max_by_key(|(frames, ..)| *frames)?;
        (frames > 0).then_some((action, reason))
    }
}

/// Where distributions keep it: Debian by architecture, Fedora and others not.
fn xdp_filter_object() -> Option<PathBuf> {
    let debian = format!("/usr/lib/{}-linux-gnu/bpf", std::env::consts::ARCH);
    let folders = [debian.as_str(), "/usr/lib64/bpf", "/usr/lib/bpf"];
    let mut files =
        folders.iter().map(|folder| Path::new(folder).join(format!("{XDP_FILTER_PROGRAM}.o")));
    files.find(|file| file.exists())
}

fn generator(sources: u32, destinations: u32) -> Result<Ebpf> {
    let path = generator_object();
    EbpfLoader::new()
        .override_global("SPOOFED_BITS", &sources, true)
        .override_global("DESTINATION_BITS", &destinations, true)
        .load_file(&path)
        .with_context(|| format!("{}: run `cargo xtask build`, and this as root", path.display()))
}

fn program<'a>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let program = object.program_mut(name);
    Ok(program.with_context(|| format!("the object has no program {name}"))?.try_into()?)
}

fn load(object: &mut Ebpf, name: &str) -> Result<()> {
    program(object, name)?.load().with_context(|| format!("the kernel refuses {name}"))
}

/// The action of the last run and the mean time of all.
fn test_run(program: &mut Xdp, frame: &[u8], repeat: u32) -> Result<(u32, Duration)> {
    let mut context = [0u8; 24];
    // data, data_end, data_meta, ingress_ifindex
    let fields = [0, u32::try_from(frame.len())?, 0, LOOPBACK];
    for (word, value) in context.chunks_exact_mut(4).zip(fields) {
        word.copy_from_slice(&value.to_ne_bytes());
    }
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    options.ctx_in = Some(&context);
    options.repeat = repeat;
    let result = program.test_run(options).context("the kernel does not run the program")?;
    Ok((result.return_value, result.duration))
}
