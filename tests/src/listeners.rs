//! Whether a process listens, from `/proc`: the program that answers at the port may be another one.

use std::fs;
use std::net::{SocketAddr, SocketAddrV4};

/// Whether the process of this number listens at this loopback address by TCP. A process that is gone does not.
pub(crate) fn listens(process: u32, address: SocketAddr) -> bool {
    let (SocketAddr::V4(address), Ok(table)) = (address, fs::read_to_string("/proc/net/tcp")) else {
        return false;
    };
    let sockets: Vec<_> = table.lines().filter_map(|line| listening_socket(line, address)).collect();
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    open.filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|file| sockets.iter().any(|socket| file.as_os_str() == socket.as_str()))
}

/// The socket of a line of the table, as the folder of open files calls it, if it listens at this address: `sl
/// local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode …`, with addresses in hexadecimal.
fn listening_socket(line: &str, address: SocketAddrV4) -> Option<String> {
    const LISTEN: &str = "0A";
    let place = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let columns: Vec<&str> = line.split_whitespace().collect();
    let listens = columns.get(1) == Some(&place.as_str()) && columns.get(3) == Some(&LISTEN);
    listens.then(|| columns.get(9).map(|inode| format!("socket:[{inode}]")))?
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::Process;

    #[test]
    fn who_listens_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = Process::start("sleep", "/bin/sleep", |command| command.arg("60")).unwrap();
        let own = std::process::id();
        assert!(listens(own, address) && !listens(other.id(), address));
        assert!(!listens(own, SocketAddr::new([127, 0, 0, 2].into(), address.port())));
        // A socket of its own that is only connected.
        let client = TcpStream::connect(address).unwrap();
        assert!(!listens(own, client.local_addr().unwrap()));
    }
}
