//! Filters that ask another process about some of a process' system calls (seccomp_unotify(2)).

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::{io, mem, ptr};

use rustix::io::Errno;

/// What a filter does with the calls that meet every condition.
pub(in crate::lab) struct Rule {
    /// The number of the system call on this machine.
    pub(in crate::lab) call: libc::c_long,
    /// What its arguments must be like.
    pub(in crate::lab) conditions: &'static [Condition],
    /// What becomes of it.
    pub(in crate::lab) verdict: Verdict,
}

/// A condition on the low 32 bits of an argument, counted from zero.
pub(in crate::lab) enum Condition {
    /// It has this value.
    Is(u8, u32),
    /// It has one of these bits.
    HasAny(u8, u32),
}

/// What becomes of a system call.
pub(in crate::lab) enum Verdict {
    /// It does nothing and succeeds.
    Succeed,
    /// Whoever holds the listener decides.
    Ask,
}

/// A system call that waits for a decision.
pub(in crate::lab) struct Call {
    /// What names it in the decision.
    pub(in crate::lab) id: u64,
    /// The thread that calls, as the asking process counts processes.
    pub(in crate::lab) thread: i32,
    /// The number of the system call.
    pub(in crate::lab) number: libc::c_long,
    /// Its arguments.
    pub(in crate::lab) arguments: [u64; 6],
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCHITECTURE: u32 = 0xc000_00f3;

/// Filters the calling thread's system calls, and those of all it will start, by the first rule that a call meets. Calls
/// that meet none, and those of another architecture's programs, are as they were.
///
/// The thread can gain no privileges by exec from then on.
///
/// # Errors
/// When the kernel has no such filters, or the thread has a filter with a listener already.
pub(in crate::lab) fn install(rules: &[Rule]) -> io::Result<OwnedFd> {
    let mut instructions = compiled(rules);
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(io::Error::other)?,
        filter: instructions.as_mut_ptr(),
    };
    rustix::thread::set_no_new_privs(true)?;
    // SAFETY: the kernel reads `program` and the instructions it points at, which both live until it returns.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            ptr::from_ref(&program),
        )
    };
    match i32::try_from(listener) {
        // SAFETY: the descriptor is new, and nobody else knows it.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Takes the next call that waits for a decision. Blocks when there is none; [`Errno::NOENT`] when it was taken back.
pub(in crate::lab) fn receive(listener: impl AsFd) -> Result<Call, Errno> {
    // SAFETY: seccomp_notif is plain data, for which zeroes are valid, and the kernel demands them.
    let mut notification: libc::seccomp_notif = unsafe { mem::zeroed() };
    ioctl(&listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &mut notification)?;
    Ok(Call {
        id: notification.id,
        thread: notification.pid.cast_signed(),
        number: notification.data.nr.into(),
        arguments: notification.data.args,
    })
}

/// Has the call be carried out as though it had not been asked about.
pub(in crate::lab) fn proceed(listener: impl AsFd, id: u64) -> Result<(), Errno> {
    respond(listener, id, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32)
}

/// Has the call return zero, or fail with this error, without being carried out.
pub(in crate::lab) fn answer(listener: impl AsFd, id: u64, result: Result<(), Errno>) -> Result<(), Errno> {
    respond(listener, id, result.err().map_or(0, |error| -error.raw_os_error()), 0)
}

/// Has the call return a new descriptor for what `descriptor` is open to.
pub(in crate::lab) fn answer_with(
    listener: impl AsFd,
    id: u64,
    descriptor: impl AsFd,
    close_on_exec: bool,
) -> Result<(), Errno> {
    let mut added = libc::seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SEND as u32,
        srcfd: descriptor.as_fd().as_raw_fd().cast_unsigned(),
        newfd: 0,
        newfd_flags: if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
    };
    ioctl(&listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut added)
}

/// Whether the call still waits: what was learnt of its process is about that process then.
pub(in crate::lab) fn waits(listener: impl AsFd, id: u64) -> bool {
    let mut id = id;
    ioctl(&listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut id).is_ok()
}

fn respond(listener: impl AsFd, id: u64, error: i32, flags: u32) -> Result<(), Errno> {
    let mut response = libc::seccomp_notif_resp { id, val: 0, error, flags };
    ioctl(&listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &mut response)
}

fn ioctl<T>(listener: &impl AsFd, command: libc::Ioctl, argument: &mut T) -> Result<(), Errno> {
    // SAFETY: each command here reads or writes one T, as its number tells the size of.
    match unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), command, ptr::from_mut(argument)) } {
        result if result < 0 => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}

/// The rules as a classic BPF program over `struct seccomp_data`: each rule jumps to the next when a condition fails.
fn compiled(rules: &[Rule]) -> Vec<libc::sock_filter> {
    let mut program = vec![
        load(mem::offset_of!(libc::seccomp_data, arch)),
        jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
        ret(libc::SECCOMP_RET_ALLOW),
    ];
    for rule in rules {
        let mut left = 2 * rule.conditions.len() as u8 + 1;
        program.push(load(mem::offset_of!(libc::seccomp_data, nr)));
        program.push(jump(libc::BPF_JEQ, rule.call as u32, 0, left));
        for condition in rule.conditions {
            let (argument, test, value) = match *condition {
                Condition::Is(argument, value) => (argument, libc::BPF_JEQ, value),
                Condition::HasAny(argument, bits) => (argument, libc::BPF_JSET, bits),
            };
            let low_half = if cfg!(target_endian = "big") { 4 } else { 0 };
            left -= 2;
            program.push(load(mem::offset_of!(libc::seccomp_data, args) + 8 * usize::from(argument) + low_half));
            program.push(jump(test, value, 0, left));
        }
        program.push(ret(match rule.verdict {
            Verdict::Succeed => libc::SECCOMP_RET_ERRNO,
            Verdict::Ask => libc::SECCOMP_RET_USER_NOTIF,
        }));
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    program
}

fn load(offset: usize) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset as u32, 0, 0)
}

fn jump(test: u32, value: u32, when_true: u8, when_false: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, value, when_true, when_false)
}

fn ret(action: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}
