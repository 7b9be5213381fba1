/// Which of the six functions that an event loop gives to libvirt have
/// arrived there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the six functions")]
pub struct Reached {
    pub add_handle: bool,
    pub update_handle: bool,
    pub remove_handle: bool,
    pub add_timeout: bool,
    pub update_timeout: bool,
    pub remove_timeout: bool,
}

impl Reached {
    /// Whether all six have.
    pub fn all(self) -> bool {
        self.names().count() == 6
    }

    /// The names of those that have.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.add_handle, "add_handle"),
            (self.update_handle, "update_handle"),
            (self.remove_handle, "remove_handle"),
            (self.add_timeout, "add_timeout"),
            (self.update_timeout, "update_timeout"),
            (self.remove_timeout, "remove_timeout"),
        ]
        .into_iter()
        .filter_map(|(reached, name)| reached.then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which() {
        let mut reached = Reached::default();
        assert!(reached.to_string().contains("none"));
        reached.add_handle = true;
        reached.remove_timeout = true;
        assert!(!reached.all());
        assert!(
            reached
                .to_string()
                .ends_with("2 of the six functions reached this one: add_handle, remove_timeout")
        );
    }
}
