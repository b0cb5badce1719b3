//! The sandbox as seen from outside: what it passes on, what it refuses, and that nothing of it is left.
//!
//! The test starts itself anew in a role, which enters the sandbox on the first line of `main` as the product does.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use ike_interop::lab::process::{Process, Program};
use ike_interop::lab::topology::{Plan, Topology, Uplink};
use ike_interop::lab::{Clock, sandbox};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};

type Outcome = Result<(), Failed>;

/// Set for a child in a role.
const ROLE: &str = "SANDBOX_TEST_ROLE";
/// Set for a child and everything it starts, to find them all.
const MARK: &str = "SANDBOX_TEST_MARK";
/// An ordinary user: nobody.
const ORDINARY: u32 = 65_534;
const LIMIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role);
    }
    // Before there are threads that fork, and would hold the copy open for writing while it is started.
    if let Err(error) = copy_for_anyone() {
        eprintln!("{}: {error}", copy_path().display());
        return ExitCode::FAILURE;
    }
    let mut tests = Vec::new();
    let users: &[User] =
        if rustix::process::geteuid().is_root() { &[User::Root, User::Ordinary] } else { &[User::Same] };
    for user in users {
        let mut add = |name: &str, test: fn(User) -> Outcome| {
            let user = *user;
            tests.push(Trial::test(format!("{name}::{user:?}").to_lowercase(), move || test(user)));
        };
        add("nothing_survives_sigkill", nothing_survives_sigkill);
        add("the_exit_status_is_passed_on", exit_status);
        add("signals_are_passed_on", signals);
        add("it_is_a_world_of_its_own", own_world);
        add("orphans_are_reaped_and_children_are_not_stolen", orphans);
        add("with_threads_it_is_refused", threads);
        add("one_fits_in_another", nested);
    }
    tests.push(Trial::test("without_user_namespaces_the_remedy_is_named", without_user_namespaces));
    let conclusion = libtest_mimic::run(&Arguments::from_args(), tests);
    let _ = fs::remove_file(copy_path());
    conclusion.exit_code()
}

#[derive(Clone, Copy, Debug)]
enum User {
    Root,
    Ordinary,
    Same,
}

impl User {
    fn command(self, role: &str, mark: &str) -> io::Result<Command> {
        let program = if matches!(self, Self::Ordinary) { copy_path() } else { std::env::current_exe()? };
        let mut command = Command::new(program);
        command.env(ROLE, role).env(MARK, mark).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if matches!(self, Self::Ordinary) {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        Ok(command)
    }

    fn run(self, role: &str) -> io::Result<std::process::Output> {
        self.command(role, &mark())?.output()
    }
}

fn copy_path() -> PathBuf {
    std::env::temp_dir().join(format!("ike-interop-sandbox-{}", std::process::id()))
}

/// Puts this program where an ordinary user may read it, which the build folder need not be.
fn copy_for_anyone() -> io::Result<()> {
    fs::copy(std::env::current_exe()?, copy_path())?;
    fs::set_permissions(copy_path(), fs::Permissions::from_mode(0o755))
}

fn mark() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Waits for `condition`, and fails naming it when it does not come about in time.
fn eventually(what: &str, mut condition: impl FnMut() -> io::Result<bool>) -> Outcome {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > LIMIT {
            return Err(format!("in {LIMIT:?} it did not come about that {what}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The ids of all processes that carry the mark.
fn marked(mark: &str) -> io::Result<Vec<i32>> {
    let wanted = format!("{MARK}={mark}\0").into_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environment.windows(wanted.len()).any(|window| window == wanted) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// All namespaces that processes are in.
fn namespaces(pids: impl Iterator<Item = i32>) -> BTreeSet<String> {
    let kinds = ["net", "mnt", "pid", "user", "ipc", "uts"];
    pids.flat_map(|pid| kinds.map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}"))))
        .filter_map(|link| Some(link.ok()?.to_str()?.to_owned()))
        .collect()
}

fn all_pids() -> io::Result<Vec<i32>> {
    Ok(fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// A name for a network namespace that does not keep it alive; only root can use it, from Linux 6.18 on.
struct Handle([u64; 17]);

#[expect(unsafe_code, reason = "file handles have no safe wrapper")]
impl Handle {
    /// The handle of the namespace behind an open file; `None` where the kernel has none.
    fn of(file: &fs::File) -> Option<Self> {
        let (mut handle, mut mount) = (Self([0; 17]), 0);
        // The first word is the number of octets that have room behind it and the type.
        handle.0[0] = 128;
        // SAFETY: the kernel writes at most the 128 octets announced, which are there, and one int.
        let result = unsafe {
            let place = handle.0.as_mut_ptr().cast();
            libc::name_to_handle_at(file.as_raw_fd(), c"".as_ptr(), place, &raw mut mount, libc::AT_EMPTY_PATH)
        };
        (result == 0).then_some(handle)
    }

    /// Whether the namespace is still there, whoever or whatever keeps it.
    fn is_alive(&self) -> io::Result<bool> {
        let any = fs::File::open("/proc/self/ns/net")?;
        // SAFETY: the handle is as the kernel wrote it; a descriptor that comes back is owned here and closed at once.
        unsafe {
            let place = self.0.as_ptr().cast_mut().cast();
            let descriptor = libc::open_by_handle_at(any.as_raw_fd(), place, libc::O_RDONLY);
            if descriptor >= 0 {
                drop(OwnedFd::from_raw_fd(descriptor));
            }
            Ok(descriptor >= 0)
        }
    }
}

/// Handles of the network namespaces that these processes are in or see by name; empty when they cannot be had.
fn network_namespaces(pids: &[i32]) -> Vec<Handle> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    let by_name = |pid| fs::read_dir(format!("/proc/{pid}/root/run/netns")).into_iter().flatten().flatten();
    let named = pids.iter().flat_map(by_name).map(|entry| entry.path());
    let own = pids.iter().map(|pid| format!("/proc/{pid}/ns/net").into());
    let files = named.chain(own).filter_map(|path| fs::File::open(path).ok());
    files.filter_map(|file| Handle::of(&file)).collect()
}

fn kill(child: &Child, signal: Signal) -> io::Result<()> {
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::NotFound)?;
    Ok(kill_process(pid, signal)?)
}

/// The first line a child writes.
fn first_line(child: &mut Child) -> Result<String, Failed> {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().ok_or("a pipe")?).read_line(&mut line)?;
    if line.is_empty() {
        let mut errors = String::new();
        child.stderr.as_mut().ok_or("a pipe")?.read_to_string(&mut errors)?;
        return Err(format!("it wrote nothing but: {errors}").into());
    }
    Ok(line.trim_end().to_owned())
}

fn nothing_survives_sigkill(user: User) -> Outcome {
    let mounts_before = fs::read_to_string("/proc/self/mountinfo")?;
    let mark = mark();
    let mut child = user.command("stubborn", &mark)?.spawn()?;
    assert_eq!(first_line(&mut child)?, "ready");
    let pids = marked(&mark)?;
    assert!(pids.len() >= 6, "outside, init, worker and three stubborn ones, found {pids:?}");
    let ours = namespaces(std::iter::once(std::process::id().cast_signed()));
    let theirs: BTreeSet<_> = namespaces(pids.iter().copied()).difference(&ours).cloned().collect();
    assert!(theirs.len() >= 6, "{theirs:?}");
    assert_eq!(fs::read_to_string("/proc/self/mountinfo")?, mounts_before, "no mount came out");
    let networks = network_namespaces(&pids);
    for network in &networks {
        assert!(network.is_alive()?);
    }

    let killed = Instant::now();
    kill(&child, Signal::KILL)?;
    child.wait()?;
    eventually("all processes are gone", || Ok(marked(&mark)?.is_empty()))?;
    println!("{user:?}: {} processes gone {:?} after the kill", pids.len(), killed.elapsed());
    eventually("nobody is in its namespaces", || Ok(namespaces(all_pids()?.into_iter()).is_disjoint(&theirs)))?;
    assert_eq!(fs::read_to_string("/proc/self/mountinfo")?, mounts_before, "no mount is left");
    // The kernel takes them apart in the background.
    eventually("its network namespaces are freed", || {
        Ok(networks.iter().map(Handle::is_alive).collect::<io::Result<Vec<_>>>()?.iter().all(|alive| !alive))
    })?;
    println!("{user:?}: {} views of network namespaces freed {:?} after the kill", networks.len(), killed.elapsed());
    Ok(())
}

fn exit_status(user: User) -> Outcome {
    assert_eq!(user.run("exit")?.status.code(), Some(42));
    assert_eq!(user.run("abort")?.status.code(), Some(128 + libc::SIGABRT));
    Ok(())
}

fn signals(user: User) -> Outcome {
    for (signal, status) in [(Signal::TERM, 15), (Signal::INT, 2)] {
        let mut child = user.command("handle", &mark())?.spawn()?;
        assert_eq!(first_line(&mut child)?, "ready");
        kill(&child, signal)?;
        assert_eq!(child.wait()?.code(), Some(100 + status));
    }
    // Who does not handle it dies of it, and the status says so.
    let mut child = user.command("wait", &mark())?.spawn()?;
    assert_eq!(first_line(&mut child)?, "ready");
    kill(&child, Signal::TERM)?;
    assert_eq!(child.wait()?.code(), Some(128 + libc::SIGTERM));
    Ok(())
}

fn own_world(user: User) -> Outcome {
    let output = user.run("look")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let rootless = !matches!(user, User::Root);
    assert_eq!(text, format!("uid 0\npids 1 2\nlinks lo up\nrun netns\nrootless {rootless}\n"), "{errors}");
    Ok(())
}

fn orphans(user: User) -> Outcome {
    let output = user.run("orphan")?;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200 children waited for, no process left\n", "{output:?}");
    Ok(())
}

fn threads(user: User) -> Outcome {
    let output = user.run("threaded")?;
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected one thread, found 2"), "{output:?}");
    Ok(())
}

fn nested(user: User) -> Outcome {
    let output = user.run("nested")?;
    assert_eq!(output.status.code(), Some(42), "{output:?}");
    Ok(())
}

/// A user namespace where no further one may be made, and in it a root without capabilities.
fn without_user_namespaces() -> Outcome {
    let script =
        "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --bounding-set=-all \"$0\"";
    let output = Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", script])
        .arg(std::env::current_exe()?)
        .env(ROLE, "exit")
        .stdin(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("this system lets an ordinary user make no user namespace: No space left"), "{errors}");
    assert!(errors.contains("as root: sysctl -w user.max_user_namespaces=10000; or run as root"), "{errors}");
    Ok(())
}

// From here on: the roles.

fn play(role: &str) -> ExitCode {
    if role == "threaded" {
        let (_keep, end) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || end.recv());
        return enter_or_3().err().unwrap_or(ExitCode::FAILURE);
    }
    let sandbox = match enter_or_3() {
        Ok(sandbox) => sandbox,
        Err(code) => return code,
    };
    let done = match role {
        "exit" => return ExitCode::from(42),
        "nested" => match enter_or_3() {
            Ok(_) => return ExitCode::from(42),
            Err(code) => return code,
        },
        "abort" => std::process::abort(),
        "wait" => wait_for_ever(),
        "handle" => return in_runtime(handle_signals()).unwrap_or(ExitCode::FAILURE),
        "look" => look(sandbox),
        "orphan" => in_runtime(leave_orphans()).and_then(|result| result),
        "stubborn" => in_runtime(be_stubborn()).and_then(|result| result),
        _ => Err("no such role".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn enter_or_3() -> Result<sandbox::Sandbox, ExitCode> {
    sandbox::enter().map_err(|error| {
        eprintln!("{}", error.diagnostic());
        ExitCode::from(3)
    })
}

fn in_runtime<F: Future>(future: F) -> Result<F::Output, Box<dyn std::error::Error>> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}

fn wait_for_ever() -> Done {
    println!("ready");
    loop {
        std::thread::park();
    }
}

async fn handle_signals() -> ExitCode {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return ExitCode::FAILURE;
    };
    println!("ready");
    tokio::select! {
        _ = terminate.recv() => ExitCode::from(115),
        _ = interrupt.recv() => ExitCode::from(102),
    }
}

fn look(sandbox: sandbox::Sandbox) -> Done {
    println!("uid {}", rustix::process::geteuid().as_raw());
    let mut pids = all_pids()?;
    pids.sort_unstable();
    println!("pids {}", pids.iter().map(i32::to_string).collect::<Vec<_>>().join(" "));
    let links = fs::read_to_string("/proc/net/dev")?;
    let links: Vec<_> = links.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    // Only an interface that is up answers.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let up = socket.connect(socket.local_addr()?).and_then(|()| socket.send(b"x"));
    println!("links {} {}", links.join(" "), if up.is_ok() { "up" } else { "down" });
    let run: Vec<_> = fs::read_dir("/run")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    println!("run {}", run.join(" "));
    println!("rootless {}", sandbox.rootless());
    Ok(())
}

/// Orphans die beside children that are waited for.
async fn leave_orphans() -> Done {
    for number in 0..200_i32 {
        let script = format!("(true & true &) ; exit {}", number % 100);
        let status = tokio::process::Command::new("sh").args(["-c", &script]).status().await?;
        if status.code() != Some(number % 100) {
            return Err(format!("expected {number}, got {status}").into());
        }
    }
    eventually("process 1 reaped every orphan", || Ok(all_pids()?.len() == 2)).map_err(|error| format!("{error:?}"))?;
    println!("200 children waited for, no process left");
    Ok(())
}

/// A whole topology, and processes that want to stay.
async fn be_stubborn() -> Done {
    let uplink = |address: &str, gateway: &str| -> Result<Uplink, std::net::AddrParseError> {
        Ok(Uplink { address: address.parse()?, prefix_len: 24, gateway: gateway.parse()? })
    };
    let plan = Plan {
        left: Vec::new(),
        dut: uplink("192.0.2.10", "192.0.2.254")?,
        cisco: uplink("198.51.100.1", "198.51.100.254")?,
        right: Vec::new(),
        protected: Vec::new(),
        mtu: 1500,
    };
    let topology = Topology::build(plan).await?;
    let script = "trap '' TERM INT HUP QUIT; setsid sh -c \"trap '' TERM INT HUP QUIT; echo ready; exec sleep 1000\" & \
                  while :; do sleep 1000; done";
    let program = Program::new("sh", ["-c", script]);
    let (_process, mut lines) = Process::spawn(&topology.dut, &program, Clock::start())?;
    lines.recv().await.ok_or("it did not start")?;
    println!("ready");
    std::future::pending::<()>().await;
    Ok(())
}
