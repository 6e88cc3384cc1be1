//! A guard of its own for a test: two cabled namespaces, a BPF file system and directories that
//! nobody else sees, and the `guard` binary run in them.
//!
//! Owns how the binary is started and asked, and how frames are sent past it; what comes of that
//! is in `process`. Whatever a
//! test leaves running or pinned goes with its [`Site`], also when the test fails. Knows nothing
//! about what is tested.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without what it needs fails by panicking"
)]

mod process;

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use aya::Ebpf;
use aya::programs::{Xdp, XdpMode};
use guard_user::config::{Config, Format};
use guard_user::live::Live;
use guard_user::policy::{self, Clock, Inputs, PolicyTables};
use serde_json::Value;
use tempfile::TempDir;

pub use self::process::{Answer, Daemon, answer};

use crate::netns::Namespace;
use crate::netns::bpffs::PrivateBpffs;
use crate::netns::veth::{End, connect};
use crate::privilege::require_bpf;

/// The guarded end of the first cable.
pub const WAN: &str = "wan0";
/// The guarded end of the second cable.
pub const LAN: &str = "lan0";
/// The PSAP of [`Site::config`], an address of the guarded host.
pub const PSAP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// Another address of the guarded host, free for a second PSAP.
pub const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 11);
/// The peer of [`Site::config`]: nothing it sends to the PSAP is ever dropped.
pub const CARRIER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
/// Strangers, all in 198.51.100.64/28.
pub const STRANGERS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(198, 51, 100, 65),
    Ipv4Addr::new(198, 51, 100, 66),
    Ipv4Addr::new(198, 51, 100, 67),
];
/// A stranger by IPv6; the guarded host has 2001:db8::10.
pub const STRANGER6: &str = "2001:db8::65";
/// Where SIP is spoken.
pub const SIP: u16 = 5060;

/// How long anything may take that is no matter of time, on a machine that is busy and a disk that is
/// slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// A `guard` that has not ended by then hangs.
const HANGS: &str = "60";

/// Numbers probes, so that a late one is not taken for the next.
static PROBES: AtomicU64 = AtomicU64::new(0);

/// The `guard` binary under test: `GUARD_BIN`, else the release build.
#[must_use]
pub fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/guard");
    let path = std::env::var_os("GUARD_BIN").map_or(built, PathBuf::from);
    path.canonicalize().unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask build`", path.display());
    })
}

/// The object with the XDP programs that are not the guard's: `GUARD_BPF_DIR`, else the build.
#[must_use]
pub fn generator_object() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf");
    std::env::var_os("GUARD_BPF_DIR").map_or(built, PathBuf::from).join("generator.o")
}

/// Waits until something holds; says whether it came to hold.
pub fn eventually(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(50));
    }
    true
}

/// A guarded host, cabled twice to the outside, and its private directories.
#[derive(Debug)]
pub struct Site {
    /// Where the guard runs.
    pub host: Namespace,
    /// Everybody else.
    pub outside: Namespace,
    /// What the binary finds in its environment besides.
    pub environment: Vec<(&'static str, &'static str)>,
    // Unmounted before its directory goes: fields are dropped in this order.
    bpffs: Option<PrivateBpffs>,
    directory: TempDir,
}

impl Site {
    /// Makes it; the BPF file system is seen by the calling thread and what it starts alone.
    #[must_use]
    pub fn new() -> Self {
        let host = Namespace::create("host").expect("a network namespace");
        let outside = Namespace::create("outside").expect("a network namespace");
        for namespace in [&host, &outside] {
            // No link-local addresses that come late: each is a new generation.
            namespace.set("ipv6/conf/default/addr_gen_mode", "1").expect("IPv6 settings");
        }
        let site = Self::around(host, outside);
        site.lay_first_cable();
        site.cable((LAN, &["203.0.113.1/24"]), ("far1", &["203.0.113.2/24"]));
        site
    }

    /// Lays the cable at [`WAN`]: again where its device was taken away.
    pub fn lay_first_cable(&self) {
        let near = ["198.51.100.10/24", "198.51.100.11/24", "2001:db8::10/64"];
        let [a, b, c] = STRANGERS.map(|address| format!("{address}/24"));
        let far = ["198.51.100.20/24", &a, &b, &c, "2001:db8::65/64"];
        self.cable((WAN, &near), ("far0", &far));
    }

    /// A site with this configuration; `None`, said loudly, where no test can run.
    #[must_use]
    pub fn with(config: impl FnOnce(&Self) -> String) -> Option<Self> {
        require_bpf().then(|| {
            let site = Self::new();
            site.configure(&config(&site));
            site
        })
    }

    /// The directories of a guard for namespaces that somebody else cables and configures.
    #[must_use]
    pub fn around(host: Namespace, outside: Namespace) -> Self {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        fs::create_dir(directory.path().join("bpf")).expect("the directory is new");
        Self { host, outside, environment: Vec::new(), bpffs: None, directory }.with_bpffs()
    }

    fn cable(&self, near: (&str, &[&str]), far: (&str, &[&str])) {
        let end = |namespace, (device, addresses)| End { namespace, device, addresses };
        connect(end(&self.host, near), end(&self.outside, far)).expect("a cable of veths");
    }

    fn with_bpffs(mut self) -> Self {
        let path = self.directory.path().join("bpf");
        self.bpffs = Some(PrivateBpffs::mount(&path).expect("a BPF file system"));
        self
    }

    /// What a reboot does: the kernel forgets everything, the disk nothing.
    #[must_use]
    pub fn reboot(mut self) -> Self {
        drop(self.bpffs.take());
        let gone = eventually(PATIENCE, || self.program_on(WAN).is_none());
        assert!(gone, "a link outlived its file system");
        self.with_bpffs()
    }

    /// A path in the directory of the test.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The pin directory.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.path("bpf/guard")
    }

    /// The state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path("guard.toml")
    }

    /// A small configuration that enforces: one interface, one PSAP and one peer.
    #[must_use]
    pub fn config(&self) -> String {
        format!(
            "[guard]\nmode = 'enforce'\nwatchdog = '5s'\nclose-after = '1s'\npin-dir = '{}'\nstate-dir = '{}'\n\n\
             [[interface]]\nname = '{WAN}'\nrole = 'trusted'\n\n\
             [[psap]]\nid = 'P-1'\nname = 'Springfield'\nservices = ['{PSAP}:5060/udp']\n\n\
             [[peer]]\nid = 'carrier'\naddresses = ['{CARRIER}']\n",
            self.pins().display(),
            self.state().display(),
        )
    }

    /// What this configuration would be in the generation that is live.
    #[must_use]
    pub fn tables(&self, text: &str) -> PolicyTables {
        let live = Live::new(&self.pins(), &self.state());
        let record = live.record().expect("a generation is live");
        let config = Config::parse("t", text, Format::Toml).expect("a configuration");
        let inputs = Inputs {
            slots: &live.store.slots().expect("slots are written down"),
            capacity: 64,
            interfaces: &record.interfaces,
            host: &record.host,
            clock: Clock { wall: SystemTime::now(), monotonic: 1 },
            generation: record.number,
            hash_key: 911,
        };
        policy::build(&config, &inputs).expect("a configuration without mistakes")
    }

    /// Writes the configuration file.
    pub fn configure(&self, text: &str) {
        fs::write(self.file(), text).expect("the directory is ours");
    }

    /// A `guard` with these arguments, in the guarded host's namespace.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host.command(binary());
        command.args(arguments);
        self.dress(&mut command);
        command
    }

    /// A `guard` with these arguments, started by another program, such as `setpriv`; from a copy
    /// of the binary and with directories that every user can reach.
    #[must_use]
    pub fn command_by(&self, starter: &[&str], arguments: &[&str]) -> Command {
        let copy = self.path("guard-copy");
        if !copy.exists() {
            fs::set_permissions(self.path(""), Permissions::from_mode(0o755)).expect("ours");
            fs::copy(binary(), &copy).expect("the directory is ours");
        }
        let (program, before) = starter.split_first().expect("a program");
        let mut command = self.host.command(program);
        command.args(before).arg(copy).args(arguments);
        self.dress(&mut command);
        command
    }

    fn dress(&self, command: &mut Command) {
        command
            .env("GUARD_PIN_DIR", self.pins())
            .env("GUARD_STATE_DIR", self.state())
            .env_remove("RUST_LOG")
            // Tests read what people read.
            .env("GUARD_LOG_FORMAT", "human")
            // Wherever the tests are run from: it is no station of theirs.
            .env("SSH_CONNECTION", "")
            .envs(self.environment.iter().copied());
    }

    /// Runs a verb to its end.
    pub fn guard(&self, arguments: &[&str]) -> Answer {
        // Not even a `guard run` that should be refused may hang a test.
        let mut command = self.host.command("timeout");
        command.arg(HANGS).arg(binary()).args(arguments);
        self.dress(&mut command);
        answer(&mut command)
    }

    /// Applies a configuration.
    pub fn apply(&self, text: &str) -> Answer {
        self.configure(text);
        self.guard(&["apply", &self.file().to_string_lossy()])
    }

    /// What `guard <verb> --json` says.
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.guard(&[arguments, &["--json"]].concat()).done().json()
    }

    /// The rows of what `guard <verb> --json` says.
    pub fn rows(&self, arguments: &[&str]) -> Value {
        self.json(arguments).get_mut("rows").map(Value::take).expect("rows")
    }

    /// What `guard status --json` says.
    pub fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// A number in the row of an id in `guard psaps`.
    pub fn count(&self, id: &str, field: &str) -> u64 {
        let rows = self.rows(&["psaps"]);
        let rows = rows.as_array().expect("a list of rows");
        let row = rows.iter().find(|row| row.get("id").and_then(Value::as_str) == Some(id));
        let row = row.unwrap_or_else(|| panic!("no row of {id} in {rows:?}"));
        row.get(field).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {field} in {row}"))
    }

    /// Starts the daemon with the configuration file and waits until it says that it is ready.
    pub fn start(&self) -> Daemon {
        let file = self.file();
        self.start_with(&["run", "--config", &file.to_string_lossy()])
    }

    /// Starts a daemon with these arguments.
    pub fn start_with(&self, arguments: &[&str]) -> Daemon {
        self.ready(self.command(arguments))
    }

    /// Starts a daemon by this command and waits until it says that it is ready.
    pub fn ready(&self, mut command: Command) -> Daemon {
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let (socket, log) = (self.path(&format!("n{number}")), self.path(&format!("log{number}")));
        let listener = UnixDatagram::bind(&socket).expect("a socket in our own directory");
        listener.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        // A daemon of another user may say so, too.
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).expect("our own socket");
        command
            .env("NOTIFY_SOCKET", &socket)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a file in our own directory"));
        let child = command.spawn().expect("the binary starts");
        let mut daemon = Daemon { child, log };
        let mut said = [0; 64];
        let ready = eventually(PATIENCE, || {
            let ended = daemon.child.try_wait().is_ok_and(|status| status.is_some());
            assert!(!ended, "the daemon ended: {}", daemon.log());
            listener.recv(&mut said).is_ok_and(|length| said.get(..length) == Some(b"READY=1"))
        });
        assert!(ready, "the daemon does not get ready: {}", daemon.log());
        daemon
    }

    /// A socket of the guarded host.
    #[must_use]
    pub fn listen(&self, address: impl Into<IpAddr>, port: u16) -> UdpSocket {
        let socket = socket(&self.host, (address.into(), port).into());
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket
    }

    /// A socket outside, with a port the kernel chooses.
    #[must_use]
    pub fn speak(&self, address: impl Into<IpAddr>) -> UdpSocket {
        socket(&self.outside, (address.into(), 0).into())
    }

    /// Whether the XDP program lets a datagram from an outside address to the PSAP pass.
    #[must_use]
    pub fn passes(&self, source: impl Into<IpAddr>) -> bool {
        self.reaches(source, &self.listen(PSAP, SIP))
    }

    /// Whether a datagram from an outside address reaches a socket of the guarded host.
    ///
    /// No time is waited for: behind it comes one of the carrier, which passes in any case, on
    /// the same cable.
    #[must_use]
    pub fn reaches(&self, source: impl Into<IpAddr>, receiver: &UdpSocket) -> bool {
        let number = PROBES.fetch_add(1, Ordering::Relaxed);
        let (probe, mark) = (format!("probe {number}"), format!("mark {number}"));
        let to = receiver.local_addr().expect("a bound socket");
        let behind = if to == SocketAddr::from((PSAP, SIP)) {
            receiver.try_clone().expect("a socket")
        } else {
            self.listen(PSAP, SIP)
        };
        self.speak(source).send_to(probe.as_bytes(), to).expect("a route to the host");
        self.speak(CARRIER).send_to(mark.as_bytes(), (PSAP, SIP)).expect("a route to the host");
        let mut seen = Vec::new();
        while seen.last() != Some(&mark) {
            seen.push(receive(&behind).expect("what the carrier sends passes"));
        }
        // On another socket it lies there already, if at all.
        receiver.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket");
        while let Some(text) = (!seen.contains(&probe)).then(|| receive(receiver)).flatten() {
            seen.push(text);
        }
        receiver.set_read_timeout(Some(PATIENCE)).expect("a socket");
        seen.contains(&probe)
    }

    /// What the kernel itself says is on an interface of the host: XDP mode (1 native,
    /// 2 generic) and program id.
    #[must_use]
    pub fn program_on(&self, device: &str) -> Option<(u64, u64)> {
        let mut command = self.host.command("ip");
        let output = command.args(["-json", "link", "show", "dev", device]).output();
        let output = output.expect("iproute2 is installed").stdout;
        let links: Value = serde_json::from_slice(&output).expect("ip writes JSON");
        let number = |path| links.pointer(path).and_then(Value::as_u64);
        Some((number("/0/xdp/mode")?, number("/0/xdp/prog/id")?))
    }

    /// Puts a foreign XDP program, `floor_pass`, on an interface of the host; until dropped.
    #[must_use]
    pub fn occupy(&self, device: &str) -> Ebpf {
        let mut foreign = Ebpf::load_file(generator_object()).expect("`cargo xtask build` made it");
        let attached = self.host.run(|| {
            let program = foreign.program_mut("floor_pass").expect("the object has it");
            let program: &mut Xdp = program.try_into().expect("it is an XDP program");
            program.load().expect("the kernel takes it");
            program.attach(device, XdpMode::Driver).map(|_| ())
        });
        attached.expect("a namespace").expect("the interface is free");
        foreign
    }

    /// All that is pinned, sorted.
    #[must_use]
    pub fn pinned(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("bpf")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("the BPF file system is mounted") {
                let path = entry.expect("a name").path();
                // The kernel's own, in every BPF file system of some kernels.
                if path.ends_with("maps.debug") || path.ends_with("progs.debug") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found.sort();
        found
    }

    /// Asserts that nothing is pinned and no interface has a program.
    #[track_caller]
    pub fn is_bare(&self) {
        assert_eq!(self.pinned(), Vec::<PathBuf>::new(), "pinned, although nothing should be");
        for device in [WAN, LAN] {
            assert_eq!(self.program_on(device), None, "a program is left on {device}");
        }
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

fn socket(namespace: &Namespace, address: SocketAddr) -> UdpSocket {
    let mut bound = None;
    // A process that another test is just starting has, for a moment, the last one's socket, too.
    eventually(PATIENCE, || {
        let new = namespace.run(|| UdpSocket::bind(address)).expect("the namespace can be entered");
        let again = matches!(&new, Err(error) if error.kind() == ErrorKind::AddrInUse);
        bound = Some(new);
        !again
    });
    match bound {
        Some(Ok(socket)) => socket,
        other => panic!("{address} in {}: {other:?}", namespace.name()),
    }
}

/// The next datagram, if one comes in time.
fn receive(socket: &UdpSocket) -> Option<String> {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(buffer.get(..length)?).into_owned())
}
