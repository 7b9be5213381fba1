//! What the command line names.

use std::str::FromStr;

use super::Workload;

/// What `--workload` names: one workload, or all of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection(pub(crate) Vec<Workload>);

impl FromStr for Selection {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let named = |workload: &Workload| workload.family() == name || workload.to_string() == name;
        let selected: Vec<_> = Workload::ALL.iter().copied().filter(named).collect();
        if selected.is_empty() {
            let names: Vec<_> = Workload::ALL.iter().map(Workload::to_string).collect();
            return Err(format!(
                "not one of {}, nor a name without what follows the slash",
                names.join(", ")
            ));
        }
        Ok(Self(selected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Subscriber;

    #[test]
    fn a_name_selects_its_workload() {
        for workload in Workload::ALL {
            let selection: Selection = workload.to_string().parse().unwrap();
            assert!(selection.0.contains(workload));
            assert!(selection.0.len() == 1 || workload.variety().is_none());
        }
    }

    #[test]
    fn a_family_selects_all_sizes() {
        let selection: Selection = "ping-pong".parse().unwrap();
        assert_eq!(selection.0.len(), 5);
    }

    #[test]
    fn a_variety_is_a_name_of_its_own() {
        let subscriber = Subscriber::RawCopy;
        let selection = "storm/raw-copy".parse();
        assert_eq!(
            selection,
            Ok(Selection(vec![Workload::Storm { subscriber }]))
        );
        let all: Selection = "storm".parse().unwrap();
        let is_a_storm = |workload: &Workload| matches!(workload, Workload::Storm { .. });
        assert!(all.0.iter().all(is_a_storm));
        assert_eq!(all.0.len(), 5);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "pingpong".parse::<Selection>().unwrap_err();
        assert!(error.contains("ping-pong/10000"), "{error}");
    }
}
