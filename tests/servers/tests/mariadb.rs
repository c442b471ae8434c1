//! A MariaDB server lives, is killed, lives again and goes.

use kingcong_servers::Server;

#[test]
fn a_killed_server_runs_again_and_makes_databases() {
    let mut server = Server::mariadb().unwrap();
    let first = server.fresh_database().unwrap();
    let process = server.process_id().unwrap();
    server.kill().unwrap();
    assert_eq!(server.process_id(), None);
    server.restart().unwrap();
    assert_ne!(server.process_id(), Some(process));
    let copy = server.copied_database(&first).unwrap();
    assert_ne!(first, copy);
    assert_ne!(server.fresh_database().unwrap(), copy);
}
