//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::campaign::Campaign;
use crate::contender::Contender;
use crate::workload::{Place, Selection, Workload};

/// Rounds of each cell; `--quick` takes the fewest that still count.
const ROUNDS: u32 = 15;
const FEWEST_ROUNDS: u32 = 9;

/// When a quick run leaves the rest out, so that it ends within a minute on a
/// machine that is busy with other things as well. A step that was begun takes a
/// few seconds there.
const QUICK_LIMIT: Duration = Duration::from_secs(54);

/// Measures what each loop costs beside the kernel's floor and libvirt's own.
///
/// Every loop runs in a child process, and all but the floor and the native
/// ones are entered through libvirt's public C functions; their rounds are
/// interleaved. The
/// figures depend on the machine, the ratios hardly. Nothing else should run
/// meanwhile.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Arguments {
    /// Short rounds, the fewest that count, and one size or two of each
    /// workload unless --workload asks for others; ends within a minute, and says
    /// what it had no time for
    #[arg(long)]
    pub(crate) quick: bool,

    /// Rounds of each cell, at least 9 [default: 15; 9 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(i64::from(FEWEST_ROUNDS)..=10_000))]
    pub(crate) rounds: Option<u32>,

    /// Only this workload, as in ping-pong/100, or all sizes of one, as in
    /// ping-pong; may be given several times
    #[arg(long, value_name = "W", value_delimiter = ',')]
    pub(crate) workload: Vec<Selection>,

    /// Only this loop; ratios need the one that they are to. May be given
    /// several times
    #[arg(long, value_name = "L", value_delimiter = ',', value_enum)]
    pub(crate) r#loop: Vec<Contender>,

    /// Write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Be the child that has this one loop and workload
    #[arg(long, hide = true)]
    pub(crate) serve: bool,

    /// What leads to the libvirtd of the child
    #[arg(long, hide = true, value_name = "URI")]
    pub(crate) uri: Option<String>,
}

impl Arguments {
    /// What they ask for.
    pub(crate) fn campaign(&self) -> Campaign {
        let milliseconds = if self.quick { 5 } else { 60 };
        let rounds = if self.quick { FEWEST_ROUNDS } else { ROUNDS };
        Campaign {
            workloads: self.workloads(),
            contenders: self.contenders(),
            rounds: self.rounds.unwrap_or(rounds),
            round_time: Duration::from_millis(milliseconds),
            quick: self.quick,
            limit: self.quick.then_some(QUICK_LIMIT),
        }
    }

    /// Where a child is.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            uri: self.uri.as_deref(),
        }
    }

    /// The one loop and the one workload of a child.
    pub(crate) fn cell(&self) -> Option<(Contender, Workload)> {
        match (&*self.contenders(), &*self.workloads()) {
            (&[contender], &[workload]) => Some((contender, workload)),
            _ => None,
        }
    }

    /// In the order of the table, each once.
    fn workloads(&self) -> Vec<Workload> {
        let selected = |workload: &Workload| {
            if self.workload.is_empty() {
                !self.quick || workload.is_quick()
            } else {
                self.workload.iter().any(|s| s.0.contains(workload))
            }
        };
        Workload::ALL.iter().copied().filter(selected).collect()
    }

    /// In the order of the table, each once.
    fn contenders(&self) -> Vec<Contender> {
        let selected =
            |contender: &Contender| self.r#loop.is_empty() || self.r#loop.contains(contender);
        Contender::ALL.iter().copied().filter(selected).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(["bench"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn nothing_given_is_everything() {
        let campaign = parse("").unwrap().campaign();
        assert_eq!(campaign.workloads, Workload::ALL);
        assert_eq!(campaign.contenders, Contender::ALL);
        assert_eq!(campaign.rounds, ROUNDS);
    }

    #[test]
    fn selections_add_up_in_the_order_of_the_table() {
        let arguments =
            parse("--loop builtin,floor --workload update-handle --workload ping-pong/0").unwrap();
        let campaign = arguments.campaign();
        assert_eq!(
            campaign.workloads,
            [Workload::PingPong { idle: 0 }, Workload::UpdateHandle]
        );
        assert_eq!(campaign.contenders, [Contender::Floor, Contender::Builtin]);
        assert_eq!(arguments.cell(), None);
    }

    #[test]
    fn fewer_rounds_than_count_are_refused() {
        assert!(parse("--rounds 8").is_err());
        assert_eq!(parse("--quick").unwrap().campaign().rounds, 9);
        assert_eq!(parse("--quick --rounds 11").unwrap().campaign().rounds, 11);
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        let error = parse("--loop libev").unwrap_err().to_string();
        assert!(error.contains("libvirt-default"), "{error}");
        let error = parse("--workload pong").unwrap_err().to_string();
        assert!(error.contains("ping-pong/0"), "{error}");
    }
}
