//! The bounds of this project.

use super::{Bound, Limit, Of};
use crate::contender::Contender::{
    self, Builtin, Calloop, Floor, FloorShared, Glib, LibvirtDefault, Mio, Tokio, TokioMulti,
};
use crate::workload::Workload::{
    self, AddRemove, CrossThread, Fairness, Memory, PingPong, PingPongBudget, Rpc, Storm, Timers,
    UpdateHandle, UpdateTimeout,
};
use crate::workload::{Beside, Kept, Phases, Subscriber};

/// Those that our reactor is on.
const OURS: [Contender; 6] = [Builtin, Mio, Tokio, TokioMulti, Calloop, Glib];

/// Those that are on somebody's loop.
const ADAPTERS: [Contender; 5] = [Mio, Tokio, TokioMulti, Calloop, Glib];

/// Another bound is another element.
pub(super) fn bounds() -> Vec<Bound> {
    let (few, many) = (PingPong { idle: 0 }, PingPong { idle: 10_000 });
    let mut bounds = vec![
        Bound::between(few, Builtin, Floor, Limit::AtMost(1.15)),
        Bound::between(UpdateHandle, Builtin, Floor, Limit::AtMost(1.15)),
        // The same call as ours, which is cheaper than those of the floor.
        Bound::between(UpdateHandle, Builtin, FloorShared, Limit::AtMost(1.15)),
        Bound::between(UpdateHandle, Builtin, LibvirtDefault, Limit::Below(1.0)),
        Bound::between(UpdateTimeout, Builtin, LibvirtDefault, Limit::AtMost(0.1)),
        growth_of_add_remove(),
    ];
    // A turn of several iterations saves a level-triggered host what it does
    // around each event. An edge-triggered one does little around it, and has
    // to be asked for another turn.
    let limits = [
        (Mio, 1.2),
        (Tokio, 1.2),
        (TokioMulti, 1.2),
        (Calloop, 0.9),
        (Glib, 1.0),
    ];
    bounds.extend(limits.map(|(on, limit)| to_host(few, on, limit)));
    bounds.extend([Mio, Tokio, Calloop, Glib].map(fairness));
    let limits = [(Tokio, 1.05), (Calloop, 0.7), (Glib, 0.7)];
    bounds.extend(limits.map(|(on, limit)| at_budget(16, on, limit)));
    bounds.extend(OURS.map(beside_idle));
    bounds.extend(OURS.map(|on| {
        // 500 times as fast.
        Bound::between(many, on, LibvirtDefault, Limit::AtMost(0.002))
    }));
    bounds.extend(ADAPTERS.map(|on| to_host(CrossThread, on, 1.2)));
    for phases in [Phases::Together, Phases::Spread] {
        bounds.extend(OURS.map(|on| half_of_default(Timers { phases }, on)));
    }
    let rpc = Rpc {
        beside: Beside::Idle(500),
    };
    bounds.extend(OURS.map(|on| half_of_default(rpc, on).of_lowest()));
    bounds.extend([Kept::Watch, Kept::Timer].map(memory));
    bounds.extend([monitor()]);
    bounds
}

fn to_host(workload: Workload, on: Contender, limit: f64) -> Bound {
    let host = on.host().expect("an adapter has a host");
    Bound::between(workload, on, host, Limit::AtMost(limit))
}

/// The host's own source has none, so it is compared with what it is anyway.
fn at_budget(budget: u32, on: Contender, limit: f64) -> Bound {
    let workload = PingPongBudget { budget };
    let host = on.host().expect("an adapter has a host");
    Bound {
        under: vec![(workload.reference(), host)],
        ..Bound::between(workload, on, host, Limit::AtMost(limit))
    }
}

fn half_of_default(workload: Workload, on: Contender) -> Bound {
    Bound::between(workload, on, LibvirtDefault, Limit::AtMost(0.5))
}

fn beside_idle(on: Contender) -> Bound {
    Bound {
        says: format!("ping-pong, {on}: 10,000 idle ÷ 0 idle"),
        over: vec![(PingPong { idle: 10_000 }, on)],
        under: vec![(PingPong { idle: 0 }, on)],
        of: Of::Median,
        limit: Limit::AtMost(1.1),
    }
}

/// In bytes. All loops of ours have the same reactor.
fn memory(of: Kept) -> Bound {
    Bound {
        says: format!("bytes for each {of}, builtin"),
        over: vec![(Memory { of }, Builtin)],
        under: vec![],
        of: Of::Median,
        limit: Limit::AtMost(200.0),
    }
}

/// The turns that another source gets are the inverse of what one costs.
fn fairness(on: Contender) -> Bound {
    let host = on.host().expect("an adapter has a host");
    Bound {
        says: format!("fairness of {on}"),
        over: vec![(Fairness, host)],
        under: vec![(Fairness, on)],
        of: Of::Median,
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
        of: Of::Median,
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
        of: Of::Median,
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
