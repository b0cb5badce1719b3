//! Signal sets, and waiting for a signal without a handler.

use std::{io, mem, ptr};

/// The signals of a set are blocked until [`Blocked::restore`] is called.
pub(in crate::lab) struct Blocked {
    set: libc::sigset_t,
    before: libc::sigset_t,
}

/// A signal that was waiting.
pub(in crate::lab) struct Received {
    /// The signal's number.
    pub(in crate::lab) number: i32,
    /// Whether a process sent it; the terminal, for one, signals the whole foreground group itself.
    pub(in crate::lab) from_process: bool,
}

impl Blocked {
    /// Blocks `signals` for the calling thread.
    pub(in crate::lab) fn new(signals: &[i32]) -> io::Result<Self> {
        // SAFETY: both sets are initialised by sigemptyset and pthread_sigmask before they are read.
        unsafe {
            let mut set = mem::zeroed();
            let mut before = mem::zeroed();
            libc::sigemptyset(&mut set);
            for signal in signals {
                libc::sigaddset(&mut set, *signal);
            }
            match libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before) {
                0 => Ok(Self { set, before }),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }

    /// Waits for one of the blocked signals.
    pub(in crate::lab) fn wait(&self) -> Received {
        loop {
            // SAFETY: `set` is initialised, and `info` is plain data that the kernel fills in.
            let (number, info) = unsafe {
                let mut info: libc::siginfo_t = mem::zeroed();
                (libc::sigwaitinfo(&self.set, &mut info), info)
            };
            if number > 0 {
                return Received { number, from_process: info.si_code <= 0 };
            }
        }
    }

    /// Puts the mask back that was in force before.
    pub(in crate::lab) fn restore(self) {
        // SAFETY: `before` was filled in by pthread_sigmask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}
