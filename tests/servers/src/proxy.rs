//! A connection that can be cut: a small TCP proxy in front of a server.
//!
//! Each connection has two threads, one for each direction, that pass on what they read. A cut closes both ends at
//! once: what was read and not passed on yet is lost, and so is what comes afterwards. So a server may have done what
//! it was asked while nobody hears of it, as when a network fails.

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Context as _, Result};

/// Most bytes that are passed on at once.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// When a connection cuts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It does not.
    Never,
    /// When the server has got so many bytes of the client, and not one more.
    AfterRequests {
        /// How many.
        bytes: u64,
    },
    /// When the client has got so many bytes of the server, and not one more.
    AfterAnswers {
        /// How many.
        bytes: u64,
    },
    /// When the client sends this text, before the server gets it.
    Unheard {
        /// Part of one piece of what the client sends.
        text: &'static str,
    },
    /// When the server has got this text of the client, before it answers.
    Unanswered {
        /// Part of one piece of what the client sends.
        text: &'static str,
    },
}

impl Cut {
    /// How much of a piece is passed on when the connection is to be cut after that.
    fn within(self, direction: Direction, passed_bytes: u64, piece: &[u8]) -> Option<usize> {
        let holds = |text: &str| piece.windows(text.len()).any(|part| part == text.as_bytes());
        match (self, direction) {
            (Self::AfterRequests { bytes }, Direction::ToServer)
            | (Self::AfterAnswers { bytes }, Direction::ToClient) => {
                let left = usize::try_from(bytes.saturating_sub(passed_bytes)).unwrap_or(usize::MAX);
                (left <= piece.len()).then_some(left)
            }
            (Self::Unheard { text }, Direction::ToServer) => holds(text).then_some(0),
            (Self::Unanswered { text }, Direction::ToServer) => holds(text).then_some(piece.len()),
            (Self::Unheard { .. } | Self::Unanswered { .. }, Direction::ToClient)
            | (Self::AfterAnswers { .. }, Direction::ToServer)
            | (Self::AfterRequests { .. }, Direction::ToClient)
            | (Self::Never, _) => None,
        }
    }
}

/// A TCP proxy on a free loopback port, whose connections can be cut. It ends, and cuts them, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    is_closed: AtomicBool,
    cuts: AtomicU64,
    open: Mutex<Vec<Arc<Connection>>>,
    next_cut: Mutex<Box<dyn FnMut() -> Cut + Send>>,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    cut: Cut,
    /// Nothing more of the server is passed on.
    is_mute: AtomicBool,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug)]
enum Direction {
    ToServer,
    ToClient,
}

impl Proxy {
    /// Opens a proxy in front of the server at that address, which need not answer yet.
    ///
    /// # Errors
    /// When the address cannot be read, or no port is free.
    pub fn to(server: impl ToSocketAddrs) -> Result<Self> {
        let server = server.to_socket_addrs()?.next().context("the address names no place")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no loopback port is free")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            is_closed: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
            open: Mutex::default(),
            next_cut: Mutex::new(Box::new(|| Cut::Never)),
        });
        let listening = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.listen(&listener)
        });
        Ok(Self { address, shared, listening: Some(listening) })
    }

    /// Where clients connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A URL of the server behind it, by way of the proxy.
    ///
    /// # Errors
    /// When the URL names no server.
    pub fn url(&self, url: &str) -> Result<String> {
        let (scheme, rest) = url.split_once("://").context("the URL names no server")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, path) = rest.split_at(end);
        let user = place.rfind('@').map_or("", |at| &place[..=at]);
        Ok(format!("{scheme}://{user}{}{path}", self.address))
    }

    /// Cuts every open connection at once.
    pub fn sever(&self) {
        let open = std::mem::take(&mut *self.shared.open());
        for connection in open {
            self.shared.cut(&connection);
        }
    }

    /// From now on asks for every new connection when it is to cut itself.
    pub fn cut_each(&self, next_cut: impl FnMut() -> Cut + Send + 'static) {
        *lock(&self.shared.next_cut) = Box::new(next_cut);
    }

    /// How many connections were cut while they were open.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        // Wakes who listens. If it cannot be reached, nobody listens any more.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        self.sever();
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        lock(&self.open)
    }

    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.is_closed.load(Ordering::Acquire) {
                return;
            }
            // A server that is not there closes the connection, as it would without a proxy.
            let Ok(client) = client else { continue };
            let Ok(server) = TcpStream::connect(self.server) else { continue };
            // Without these it would be slower, not wrong.
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let cut = lock(&self.next_cut)();
            let connection = Arc::new(Connection { client, server, cut, is_mute: AtomicBool::new(false) });
            self.open().push(Arc::clone(&connection));
            for direction in [Direction::ToServer, Direction::ToClient] {
                let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
                std::thread::spawn(move || shared.pass_on(&connection, direction));
            }
        }
    }

    /// Passes bytes on until an end closes or the connection is cut.
    fn pass_on(&self, connection: &Arc<Connection>, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::ToServer => (&connection.client, &connection.server),
            Direction::ToClient => (&connection.server, &connection.client),
        };
        let mut buffer = [0; PIECE_BYTES_MAX];
        let (mut read, mut passed_bytes) = (0, 0);
        let is_cut = loop {
            let piece = &buffer[..read];
            let last = connection.cut.within(direction, passed_bytes, piece);
            // The server may answer sooner than the connection is cut.
            let is_lost = match direction {
                Direction::ToServer => {
                    let is_last = last.is_some() && matches!(connection.cut, Cut::Unanswered { .. });
                    connection.is_mute.store(is_last, Ordering::Release);
                    false
                }
                Direction::ToClient => connection.is_mute.load(Ordering::Acquire),
            };
            if !is_lost && to.write_all(&piece[..last.unwrap_or(read)]).is_err() {
                break false;
            }
            if last.is_some() {
                break true;
            }
            passed_bytes += read as u64;
            match from.read(&mut buffer) {
                Ok(more @ 1..) => read = more,
                Ok(0) | Err(_) => break false,
            }
        };
        let was_open = {
            let mut open = self.open();
            let place = open.iter().position(|it| Arc::ptr_eq(it, connection));
            place.map(|place| open.swap_remove(place)).is_some()
        };
        // Cut once, whichever way it was.
        match is_cut && was_open {
            true => self.cut(connection),
            false => connection.close(),
        }
    }

    fn cut(&self, connection: &Connection) {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        connection.close();
    }
}

impl Connection {
    fn close(&self) {
        // An end that is closed already is as it should be.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("server", &self.server).finish_non_exhaustive()
    }
}

/// What was there when a thread that held it panicked is still good: no invariant spans two statements.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
