//! The built-in Linux implementation: IKE and ESP behind UDP sockets and a TUN device.
