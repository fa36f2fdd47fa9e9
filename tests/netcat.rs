//! Real netcats and a real tcpdump, from and to us.

fn main() {}
