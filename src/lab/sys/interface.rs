//! Interface ioctls, which act in the network namespace of the calling thread.

use std::ffi::c_char;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::{io, mem};

use socket2::{Domain, Socket, Type};

/// A switch of `ethtool -K`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(in crate::lab) enum Offload {
    /// ETHTOOL_STXCSUM: leave the transport checksum to the device.
    TransmitChecksum = 0x17,
    /// ETHTOOL_STSO: leave TCP segmentation to the device.
    TcpSegmentation = 0x1f,
    /// ETHTOOL_SGSO: segment as late as possible.
    GenericSegmentation = 0x24,
    /// ETHTOOL_SGRO: join received segments.
    GenericReceive = 0x2c,
}

/// struct ethtool_value.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Switches `offload` of `interface` off.
pub(in crate::lab) fn switch_off(interface: &str, offload: Offload) -> io::Result<()> {
    let mut value = EthtoolValue { command: offload as u32, data: 0 };
    let mut request = request(interface)?;
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    control(libc::SIOCETHTOOL, &mut request)
}

/// Sets `interface` administratively up.
pub(in crate::lab) fn set_up(interface: &str) -> io::Result<()> {
    let mut request = request(interface)?;
    control(libc::SIOCGIFFLAGS, &mut request)?;
    // SAFETY: SIOCGIFFLAGS filled in the flags, and every bit pattern is a short.
    unsafe { request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short };
    control(libc::SIOCSIFFLAGS, &mut request)
}

/// The index of `interface`.
pub(in crate::lab) fn index(interface: &str) -> io::Result<u32> {
    let mut request = request(interface)?;
    control(libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: SIOCGIFINDEX filled in the index.
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.unsigned_abs())
}

/// The MTU of `interface` in octets.
pub(in crate::lab) fn mtu(interface: &str) -> io::Result<u32> {
    let mut request = request(interface)?;
    control(libc::SIOCGIFMTU, &mut request)?;
    // SAFETY: SIOCGIFMTU filled in the MTU.
    Ok(unsafe { request.ifr_ifru.ifru_mtu }.unsigned_abs())
}

/// The hardware address of `interface`.
pub(in crate::lab) fn hardware_address(interface: &str) -> io::Result<[u8; 6]> {
    let mut request = request(interface)?;
    control(libc::SIOCGIFHWADDR, &mut request)?;
    // SAFETY: SIOCGIFHWADDR filled in the address.
    let data = unsafe { request.ifr_ifru.ifru_hwaddr }.sa_data;
    Ok(std::array::from_fn(|at| data[at].cast_unsigned()))
}

/// Makes the open `/dev/net/tun` the TUN interface `name`, without the packet information header.
pub(in crate::lab) fn attach_tun(device: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut request = request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the kernel reads and writes one ifreq.
    check(unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })
}

fn request(interface: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain data, for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if interface.is_empty() || interface.len() >= request.ifr_name.len() || interface.contains('\0') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{interface}` is no interface name")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as c_char;
    }
    Ok(request)
}

fn control(command: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: the kernel reads and writes one ifreq; what it points at outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), command, &raw mut *request) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
