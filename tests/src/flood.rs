//! Floods made by the kernel itself: millions of frames a second, each from another source.
//!
//! `BPF_PROG_TEST_RUN` with live frames runs the generator object's `flood` program over copies
//! of a frame; it draws a source address for each and sends it out of a device. This module owns
//! the running of it; the frames worth sending are in [`frame`], those that benches and demo send
//! in [`shape`]. How many arrive is the receiver's to say ([`crate::netns::device::Meter`]): a full
//! queue loses frames unseen by the sender.

pub mod frame;
pub mod shape;

use std::net::{SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use aya::programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::unistd::Pid;

use self::frame::{LETTERS, Path4, udp};
use crate::netns::{Namespace, device};

/// Frames between two looks at whether to stop, and from one template: a millisecond or a few.
const SLICE: u32 = 1 << 12;

/// Rank of a flood that has a CPU to itself, for [`outrank`].
const RANK: i32 = 1;

/// Buffer that [`footprint`] has a flood fill: about a thousand frames.
const BIG_BUFFER: usize = 2 << 20;
/// How long that may take, on a slow machine.
const FILLING: Duration = Duration::from_millis(100);

/// Frames the kernel makes at a time: a quarter of a veth's queue of 256, so that others get
/// their frames in.
const BATCH: u32 = 64;

/// What to send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Untagged IPv4 frames, sent in turns, all with the first one's hardware addresses.
    pub frames: Vec<Vec<u8>>,
    /// Bits of the source address, host byte order, that are drawn anew for each frame.
    pub spoofed: u32,
    /// The CPU that does it, else wherever the scheduler likes.
    pub cpu: Option<usize>,
}

/// A running flood; it stops when dropped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    flows: Arc<AtomicBool>,
    worker: Option<JoinHandle<Result<()>>>,
}

impl Flood {
    /// Starts to send out of a device of the namespace, with the generator object at `object`.
    ///
    /// # Errors
    ///
    /// There is no such object or device, no privilege, or a kernel without live frames (5.18).
    pub fn start(object: &Path, namespace: &Namespace, device: &str, plan: Plan) -> Result<Self> {
        let generator = load(object, &plan)?;
        let out = device::index(namespace, device)?;
        let [stop, flows] = [false; 2].map(|is| Arc::new(AtomicBool::new(is)));
        let (inside, stopped, begun) = (namespace.clone(), Arc::clone(&stop), Arc::clone(&flows));
        let worker = thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || send(generator, &inside, out, &plan, &begun, &stopped))
            .context("cannot start the thread of the flood")?;
        Ok(Self { stop, flows, worker: Some(worker) })
    }

    /// Whether the first frames have left: on a busy machine it takes a while to get ready.
    #[must_use]
    pub fn flows(&self) -> bool {
        self.flows.load(Ordering::Relaxed)
    }

    /// Stops; an error if it did not flood all the time.
    ///
    /// # Errors
    ///
    /// The kernel refused to send.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.worker.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(anyhow!("the thread of the flood panicked")),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`.
        let _ = self.end();
    }
}

/// How many bytes of a socket's receive buffer a frame of a flood takes up where it arrives.
///
/// It is a whole page and more, whatever the frame's length, while an ordinary frame takes up
/// less. When a flood has filled a buffer there remains a corner that only ordinary frames fit
/// in, and they get through as they would not on a NIC, to which all frames are alike. A buffer
/// that is a multiple of this has no such corner.
///
/// Floods a socket of the receiver's for some milliseconds to find out.
///
/// # Errors
///
/// See [`Flood::start`]; or nothing of the flood arrives.
pub fn footprint(
    object: &Path,
    sender: (&Namespace, &str),
    path: &Path4,
    receiver: &Namespace,
) -> Result<usize> {
    let socket = receiver.run(|| UdpSocket::bind((*path.destination.ip(), 0)))??;
    socket.set_nonblocking(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BIG_BUFFER)?;
    // The kernel grants twice what is asked for.
    let room = getsockopt(&socket, sockopt::RcvBuf)?;
    let port = socket.local_addr()?.port();
    let destination = SocketAddrV4::new(*path.destination.ip(), port);
    let frames = vec![udp(&Path4 { destination, ..*path }, b"")?];
    let flood = Flood::start(object, sender.0, sender.1, Plan { frames, spoofed: 0, cpu: None })?;
    thread::sleep(FILLING);
    flood.stop()?;
    let mut frames = 0;
    while socket.recv(&mut [0]).is_ok() {
        frames += 1;
    }
    room.checked_div(frames).context("nothing of the flood arrives; is there a route?")
}

fn load(object: &Path, plan: &Plan) -> Result<Ebpf> {
    let first = plan.frames.first().context("a flood of no frames")?;
    let addresses: &[u8; 12] = first.first_chunk().context("a frame without addresses")?;
    let letters_at = plan.frames.iter().find_map(|frame| find_letters(frame));
    let letters_at = u32::try_from(letters_at.unwrap_or_default())?;
    let mut generator = EbpfLoader::new()
        .override_global("SPOOFED_BITS", &plan.spoofed, true)
        .override_global("ADDRESSES", addresses, true)
        .override_global("LETTERS_AT", &letters_at, true)
        .load_file(object)
        .with_context(|| unloadable(object))?;
    program(&mut generator)?
        .load()
        .context("the kernel refuses the packet generator; it needs Linux 5.18 and root")?;
    Ok(generator)
}

fn find_letters(bytes: &[u8]) -> Option<usize> {
    bytes.windows(LETTERS.len()).position(|window| window == LETTERS)
}

fn unloadable(object: &Path) -> String {
    let object = object.display();
    format!("cannot load {object} (run `cargo xtask build`, and this as root)")
}

fn program(generator: &mut Ebpf) -> Result<&mut Xdp> {
    let program = generator
        .program_mut("flood")
        .context("the generator object has no program `flood`; run `cargo xtask build`")?;
    Ok(program.try_into()?)
}

/// The thread of a flood.
fn send(
    mut generator: Ebpf,
    namespace: &Namespace,
    device: u32,
    plan: &Plan,
    flows: &AtomicBool,
    stop: &AtomicBool,
) -> Result<()> {
    if let Some(cpu) = plan.cpu {
        pin(&[cpu])?;
        outrank(RANK);
    }
    let flood = program(&mut generator)?;
    let idle = keep_in_use(flood)?;
    namespace.enter()?;
    let mut turns = plan.frames.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        let frame = turns.next().context("a flood of no frames")?;
        let context = context(u32::try_from(frame.len())?, device);
        flood
            .test_run(TestRunOptions {
                data_in: Some(frame),
                ctx_in: Some(&context),
                repeat: SLICE,
                attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
                ..TestRunOptions::new()
            })
            .context("the kernel does not send live frames; it needs Linux 5.18")?;
        flows.store(true, Ordering::Relaxed);
    }
    drop(idle);
    Ok(())
}

/// Puts the calling thread before all others of its CPU of a lower rank: no attacker waits until
/// the victim's other work is done. Where that is not allowed the flood has gaps, which its rate
/// shows.
pub fn outrank(rank: i32) {
    let first = nix::libc::sched_param { sched_priority: rank };
    // SAFETY: reads the parameter, which lives until it returns, and changes nothing but how the
    // calling thread (0) is scheduled.
    let _ = unsafe { nix::libc::sched_setscheduler(0, nix::libc::SCHED_FIFO, &raw const first) };
}

/// Attaches the program where no frame ever comes.
///
/// For a program in use nowhere, each test run would enter it in the kernel's table of XDP
/// programs and take it out again, and wait each time for all CPUs to notice: forty milliseconds
/// without flood for every few of flood.
fn keep_in_use(flood: &mut Xdp) -> Result<Namespace> {
    let idle = Namespace::create("idle")?;
    idle.ip(&["link", "add", "idle0", "type", "veth"])?;
    // The kernel looks devices up in the namespace of whoever asks.
    idle.enter()?;
    flood.attach("idle0", XdpMode::Driver)?;
    Ok(idle)
}

/// Keeps the calling thread, and what it starts from now on, to some CPUs.
///
/// # Errors
///
/// There are no such CPUs, or they are not for this process.
pub fn pin(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("cannot run on the CPUs {cpus:?} only"))
}

/// The CPUs that the calling thread may use.
///
/// # Errors
///
/// The kernel does not say.
pub fn cpus() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPU affinity")?;
    let cpus = 0..CpuSet::count();
    Ok(cpus.filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// A `struct xdp_md`: data from 0 to the frame's length, received by a device.
fn context(length: u32, device: u32) -> [u8; 24] {
    let mut context = [0; 24];
    // data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
    let fields = [0, length, 0, device, 0, 0];
    for (place, field) in context.chunks_exact_mut(4).zip(fields) {
        place.copy_from_slice(&u32::to_ne_bytes(field));
    }
    context
}
