//! A proxy passes on what it is given, and is cut when and where it is told.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
};

use kingcong_servers::{Cut, Proxy};

/// A server that sends back what it gets, and tells at a connection's end how much that was.
fn echo() -> (SocketAddr, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, ends) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, ended) = (stream.unwrap(), ended.clone());
            std::thread::spawn(move || {
                let (mut got, mut piece) = (0, [0; 1000]);
                while let Ok(read @ 1..) = stream.read(&mut piece) {
                    got += read;
                    if stream.write_all(&piece[..read]).is_err() {
                        break;
                    }
                }
                ended.send(got)
            });
        }
    });
    (address, ends)
}

fn asked(stream: &mut TcpStream, what: &[u8]) -> Vec<u8> {
    stream.write_all(what).unwrap();
    let mut answer = vec![0; what.len()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// What comes until the connection ends.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // An end by reset is an end, too.
    let _ = stream.read_to_end(&mut rest);
    rest
}

#[test]
fn what_goes_in_comes_out() {
    let (server, ends) = echo();
    let proxy = Proxy::to(server).unwrap();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(asked(&mut stream, b"hello"), b"hello");
    let long = vec![7; 100_000];
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&vec![7; 100_000]));
    let mut answer = vec![0; long.len()];
    stream.read_exact(&mut answer).unwrap();
    writing.join().unwrap().unwrap();
    assert_eq!(answer, long);
    drop(stream);
    assert_eq!(ends.recv().unwrap(), 5 + long.len());
    assert_eq!(proxy.cuts(), 0);
}

#[test]
fn severing_cuts_every_open_connection_and_no_later_one() {
    let (server, ends) = echo();
    let proxy = Proxy::to(server).unwrap();
    let mut streams = [(); 3].map(|()| TcpStream::connect(proxy.address()).unwrap());
    for stream in &mut streams {
        assert_eq!(asked(stream, b"hello"), b"hello");
    }
    proxy.sever();
    assert_eq!(proxy.cuts(), 3);
    for stream in &mut streams {
        assert_eq!(rest(stream), b"");
        assert_eq!(ends.recv().unwrap(), 5);
    }
    let mut later = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(asked(&mut later, b"again"), b"again");
    drop(proxy);
    assert_eq!(rest(&mut later), b"");
}

#[test]
fn a_connection_cuts_itself_where_it_is_told() {
    let (server, ends) = echo();
    let proxy = Proxy::to(server).unwrap();
    let mut cuts = vec![
        Cut::Never,
        Cut::Unanswered { text: "ell" },
        Cut::Unheard { text: "ell" },
        Cut::AfterAnswers { bytes: 0 },
        Cut::AfterAnswers { bytes: 3 },
        Cut::AfterRequests { bytes: 4 },
    ];
    proxy.cut_each(move || cuts.pop().unwrap());

    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(b"hello").unwrap();
    rest(&mut stream);
    assert_eq!(ends.recv().unwrap(), 4);

    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(b"hello").unwrap();
    assert_eq!(rest(&mut stream), b"hel");
    assert_eq!(ends.recv().unwrap(), 5);

    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    let _ = stream.write_all(b"hello");
    assert_eq!(rest(&mut stream), b"");
    assert!(ends.recv().unwrap() <= 5);

    for heard in [0, 5] {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(asked(&mut stream, b"how?"), b"how?");
        stream.write_all(b"hello").unwrap();
        assert_eq!(rest(&mut stream), b"");
        assert_eq!(ends.recv().unwrap(), 4 + heard);
    }

    assert_eq!(proxy.cuts(), 5);
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(asked(&mut stream, b"hello"), b"hello");
    assert_eq!(proxy.cuts(), 5);
}

#[test]
fn a_server_that_is_not_there_closes_the_connection() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let proxy = Proxy::to(nobody).unwrap();
    assert_eq!(rest(&mut TcpStream::connect(proxy.address()).unwrap()), b"");
}

#[test]
fn a_url_by_way_of_the_proxy_differs_in_its_place_alone() {
    let proxy = Proxy::to("127.0.0.1:1").unwrap();
    let place = proxy.address();
    for (url, expected) in [
        ("postgres://kingcong@127.0.0.1:5432/one", format!("postgres://kingcong@{place}/one")),
        ("mysql://me:a@b@db.example/two?ssl-mode=x", format!("mysql://me:a@b@{place}/two?ssl-mode=x")),
        ("mariadb://localhost", format!("mariadb://{place}")),
    ] {
        assert_eq!(proxy.url(url).unwrap(), expected);
    }
    assert!(proxy.url("sqlite::memory:").is_err());
}
