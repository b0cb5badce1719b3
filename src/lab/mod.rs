//! The only room that touches the kernel: sandbox, namespaces, links, processes, taps, captures.
