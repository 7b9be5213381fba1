//! The real libvirtd and real guests, private to one test.
//!
//! ```no_run
//! use virt::connect::Connect;
//! use virt_event_tests::rig::{Daemon, Guest};
//!
//! let daemon = Daemon::start()?;
//! let connection = Connect::open(Some(&daemon.qemu_uri()))?;
//! let guest = Guest::create_paused(&connection, daemon.guests(), "guest")?;
//! // Open the console here, or the banner may be missed.
//! guest.domain().resume()?;
//!
//! daemon.kill()?; // the guest goes on
//! daemon.restart()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! - Everything is below one directory with a short name, since QEMU's sockets
//!   have to fit into 108 bytes with it. Only QEMU's capabilities are kept
//!   elsewhere, in cargo's target directory: to probe them takes seconds. And
//!   libvirt makes locks in /var/lock, for consoles that are open; they go with
//!   the daemon.
//! - Whatever happens to the test, be it a panic or SIGKILL, the daemon and its
//!   guests end and the directory goes: see [`supervise`]. When a fixture is
//!   dropped, that has happened.
//! - A program that is missing is an error that says what to install. Nothing
//!   is skipped.
//! - libvirt inside the test's process is not touched: no connection is opened,
//!   no loop is registered.
//!
//! # Traps of libvirt 9.0
//!
//! - Do not wait in a blocking `virStreamRecv` while a loop runs. The call looks
//!   whether data is there, and only then queues itself for the next packet.
//!   Data that the loop's thread receives in between is kept, and the call
//!   waits for more. A guest's banner is often the only packet. [`GuestConsole`]
//!   reads on the loop instead.
//! - Do not let two threads call into one connection while one of the calls may
//!   take long. The thread that waits for the daemon does so on behalf of the
//!   others; libvirt wakes it with `g_main_loop_quit`, which is lost if that
//!   thread is about to enter its loop. The second call is then never sent.
//! - Let no two calls be under way in a connection that ends. The thread that
//!   waits for the daemon adds the socket to its own GLib loop, with a pointer
//!   into its stack, and never takes it away. If it leaves because the connection
//!   is to end, and not because the socket has something, the next thread that
//!   waits calls into a stack that is gone: libvirt crashes. After keepalive it is
//!   worse: the first thread gets its error, and the next waits without a limit.
//!   Only when the host wakes up or dies do the others fail, and is the end of
//!   the connection told, or the process crashes.
//! - Do not go on with a daemon that is thawed after its clients have given it up.
//!   It may crash (twice in 300 times), in what its own loop does about timers.
//! - A console may stay locked when its guest has ended: see [`unlock_console`].
//! - Do not let libvirtd forget a guest whose console is open. The thread that
//!   forgets it frees its consoles (`virChrdevFree`) and waits for the lock of the
//!   stream. The main thread, which has just read the end of that console, has
//!   that lock and waits for the lock of the consoles (`virStreamAbort`). From
//!   then on the daemon answers nobody. A guest that is not defined is forgotten
//!   when it ends, so the guests here are; drop the console before `undefine`.
//!
//! The first two were seen once in a hundred times on a busy machine, the third
//! about as rarely when a daemon died, and every time after keepalive; the last
//! one three times in some hundred.
//!
//! [`GuestConsole`]: crate::guest_console::GuestConsole
//!
//! # What it is not
//!
//! It has no event loop and no console: those are what the tests are about.

mod admin;
mod console_lock;
mod deadline;
mod directory;
mod embedded;
mod error;
mod guest;
mod handshake;
mod image;
mod libvirtd;
mod poke;
mod program;
mod running;
mod supervising;
mod supervisor;
mod unprivileged;

pub use self::console_lock::unlock_console;
pub use self::deadline::{patience, wait_until};
pub use self::embedded::Embedded;
pub use self::error::RigError;
pub use self::guest::{Guest, Guests, Hardware};
pub use self::libvirtd::{Daemon, DaemonBuilder};
pub use self::poke::Poke;
pub use self::running::Running;
pub use self::supervising::supervise;
