//! Floods made by the kernel itself: millions of frames a second, each from another source.
//!
//! `BPF_PROG_TEST_RUN` with live frames runs the generator object's `flood` program over copies
//! of a frame; it draws a source address for each and sends it out of a device. This module owns
//! the running of it and the frames worth sending. How many arrive is the receiver's to say
//! ([`crate::netns::device::Meter`]): a full queue loses frames unseen by the sender.

use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use aya::programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use etherparse::PacketBuilder;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::netns::{Namespace, device};

/// Frames between two looks at whether to stop or to change the template: a few milliseconds.
const SLICE: u32 = 1 << 12;

/// Frames the kernel makes at a time: a quarter of a veth's queue of 256, so that others get
/// their frames in.
const BATCH: u32 = 64;

/// Ethernet's least length without checksum.
const FRAME_MIN: usize = 60;

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
        let stop = Arc::new(AtomicBool::new(false));
        let (inside, stopped) = (namespace.clone(), Arc::clone(&stop));
        let worker = thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || send(generator, &inside, out, &plan, &stopped))
            .context("cannot start the thread of the flood")?;
        Ok(Self {
            stop,
            worker: Some(worker),
        })
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

fn load(object: &Path, plan: &Plan) -> Result<Ebpf> {
    let next = "run `cargo xtask build`, as root";
    let first = plan.frames.first().context("a flood of no frames")?;
    let addresses: &[u8; 12] = first.first_chunk().context("a frame without addresses")?;
    let mut generator = EbpfLoader::new()
        .override_global("SPOOFED_BITS", &plan.spoofed, true)
        .override_global("ADDRESSES", addresses, true)
        .load_file(object)
        .with_context(|| format!("cannot load {}; {next}", object.display()))?;
    program(&mut generator)?
        .load()
        .context("the kernel refuses the packet generator; it needs Linux 5.18 and root")?;
    Ok(generator)
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
    stop: &AtomicBool,
) -> Result<()> {
    if let Some(cpu) = plan.cpu {
        pin(cpu)?;
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
    }
    drop(idle);
    Ok(())
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

/// Keeps the calling thread, and what it starts, to one CPU.
///
/// # Errors
///
/// There is no such CPU, or it is not for this process.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("cannot run on CPU {cpu} only"))
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

/// From which hardware address and socket to which, as far as the flood does not draw it.
#[derive(Clone, Copy, Debug)]
pub struct Path4 {
    /// Hardware address of the sending device.
    pub from: [u8; 6],
    /// Hardware address of the next hop.
    pub to: [u8; 6],
    /// Source.
    pub source: SocketAddrV4,
    /// Destination.
    pub destination: SocketAddrV4,
}

/// A UDP frame, at least as long as Ethernet wants, without UDP checksum: the source address,
/// which it would cover, changes with each frame.
///
/// # Errors
///
/// The payload is longer than a datagram.
pub fn udp(path: &Path4, payload: &[u8]) -> Result<Vec<u8>> {
    const CHECKSUM: usize = 14 + 20 + 6;
    let padding = FRAME_MIN.saturating_sub(14 + 20 + 8 + payload.len());
    let payload = [payload, &vec![0; padding]].concat();
    let builder = PacketBuilder::ethernet2(path.from, path.to)
        .ipv4(
            path.source.ip().octets(),
            path.destination.ip().octets(),
            64,
        )
        .udp(path.source.port(), path.destination.port());
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, &payload)?;
    if let Some(checksum) = frame.get_mut(CHECKSUM..CHECKSUM + 2) {
        checksum.fill(0);
    }
    Ok(frame)
}

/// A call that is no emergency, as flooding tools send it: well-formed, so that whoever gets it
/// has work to do. Each number makes another call.
#[must_use]
pub fn invite(source: SocketAddrV4, destination: SocketAddrV4, number: u32) -> Vec<u8> {
    format!(
        "INVITE sip:100@{destination} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {source};branch=z9hG4bK-{number};rport\r\n\
         From: <sip:100@{destination}>;tag={number}\r\n\
         To: <sip:100@{destination}>\r\n\
         Call-ID: {number}@{source}\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:100@{source}>\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}
