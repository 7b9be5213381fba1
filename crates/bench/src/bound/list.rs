//! The bounds of this project.

use super::{Bound, Limit};
use crate::contender::Contender::{
    self, Builtin, Calloop, Floor, Glib, LibvirtDefault, Mio, Tokio, TokioMulti,
};
use crate::workload::Subscriber;
use crate::workload::Workload::{
    self, AddRemove, CrossThread, Fairness, PingPong, Storm, UpdateHandle, UpdateTimeout,
};

/// Those that are on somebody's loop.
const ADAPTERS: [Contender; 5] = [Mio, Tokio, TokioMulti, Calloop, Glib];

/// Another bound is another element.
pub(super) fn bounds() -> Vec<Bound> {
    let mut bounds = vec![
        Bound::between(PingPong { idle: 0 }, Builtin, Floor, Limit::AtMost(1.3)),
        beside_idle(Builtin),
        Bound::between(UpdateHandle, Builtin, LibvirtDefault, Limit::Below(1.0)),
        Bound::between(UpdateTimeout, Builtin, LibvirtDefault, Limit::Below(1.0)),
        growth_of_add_remove(),
    ];
    // A turn of several iterations saves a level-triggered host what it does
    // around each event. An edge-triggered one does little around it, and has
    // to be asked for another turn.
    let limits = [
        (Mio, 1.25),
        (Tokio, 1.25),
        (TokioMulti, 1.25),
        (Calloop, 1.0),
        (Glib, 1.0),
    ];
    bounds.extend(limits.map(|(on, limit)| to_host(PingPong { idle: 0 }, on, limit)));
    bounds.extend(ADAPTERS.map(beside_idle));
    bounds.extend(ADAPTERS.map(|on| to_host(CrossThread, on, 1.2)));
    bounds.extend([Tokio, Calloop, Glib].map(fairness));
    bounds.extend([monitor()]);
    bounds
}

fn to_host(workload: Workload, on: Contender, limit: f64) -> Bound {
    let host = on.host().expect("an adapter has a host");
    Bound::between(workload, on, host, Limit::AtMost(limit))
}

fn beside_idle(on: Contender) -> Bound {
    Bound {
        says: format!("ping-pong, {on}: 10,000 idle ÷ 0 idle"),
        over: vec![(PingPong { idle: 10_000 }, on)],
        under: vec![(PingPong { idle: 0 }, on)],
        limit: Limit::AtMost(1.15),
    }
}

/// The turns that another source gets are the inverse of what one costs.
fn fairness(on: Contender) -> Bound {
    let host = on.host().expect("an adapter has a host");
    Bound {
        says: format!("fairness of {on}"),
        over: vec![(Fairness, host)],
        under: vec![(Fairness, on)],
        limit: Limit::AtLeast(0.3),
    }
}

/// An event of a typed subscription beside the same through a function of C's:
/// one that learns as much of the domain. (One that only counts is in the table
/// as well, and half as dear as that: libvirt's own functions for the UUID and the
/// id are the other half.)
fn monitor() -> Bound {
    let on = |subscriber| (Storm { subscriber }, Builtin);
    Bound {
        says: "storm: the monitor's callback ÷ a C function that copies the same".to_owned(),
        over: vec![on(Subscriber::Callback)],
        under: vec![on(Subscriber::RawCopy)],
        limit: Limit::AtMost(1.5),
    }
}

/// A term that grows with the number registered, however cheap (a scan of
/// 10,000 packed integers takes about 3 µs), would at least double the cost
/// of a pair. The kernel's own set is a tree, so it grows a little; that is the
/// floor's, and divided out.
fn growth_of_add_remove() -> Bound {
    let (none, many) = (
        AddRemove { registered: 0 },
        AddRemove { registered: 10_000 },
    );
    Bound {
        says: "add-remove: growth from 0 to 10,000 registered, builtin ÷ floor".to_owned(),
        over: vec![(many, Builtin), (none, Floor)],
        under: vec![(none, Builtin), (many, Floor)],
        limit: Limit::AtMost(1.3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_rests_on_cells_that_exist() {
        for bound in bounds() {
            for (workload, contender) in bound.over.iter().chain(&bound.under) {
                assert!(Workload::ALL.contains(workload), "{workload}");
                assert!(workload.is_for(*contender), "{workload} on {contender}");
            }
        }
    }

    #[test]
    fn no_bound_is_there_twice() {
        let mut says: Vec<_> = bounds().into_iter().map(|bound| bound.says).collect();
        let count = says.len();
        says.sort_unstable();
        says.dedup();
        assert_eq!(says.len(), count);
    }
}
