//! A scene: what is played, on which loops, and how much of it.

use std::env;
use std::time::Duration;

use libtest_mimic::Trial;
use virt_event_examples::Failure;
use virt_event_examples::host_loop::LoopKind;
use virt_event_tests::process_cases::runner;

/// Set for the long form, here and in the children.
const LONG: &str = "VIRT_EVENT_LONG";

/// One scene.
pub(crate) struct Scene {
    /// Its module and its function.
    pub(crate) name: &'static str,
    /// Those that it is played on.
    pub(crate) loops: &'static [LoopKind],
    pub(crate) forms: Forms,
    /// Panics, or returns an error, when something is not as it has to be.
    /// Starts in a process that knows nothing of libvirt.
    pub(crate) play: fn(LoopKind, Form) -> Played,
}

/// How a scene went.
pub(crate) type Played = Result<(), Failure>;

/// The forms that a scene has, each with the time after which it hangs.
pub(crate) enum Forms {
    Both {
        short: Duration,
        long: Duration,
    },
    /// Only a long one, which takes as long as the environment says.
    LongWithin(fn() -> Duration),
}

/// How much is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Short,
    Long,
}

impl Form {
    fn wanted() -> Self {
        if env::var_os(LONG).is_some() {
            Self::Long
        } else {
            Self::Short
        }
    }

    /// One of two, such as a count.
    pub(crate) fn choose<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

impl Forms {
    /// Minutes and more: a scene that is not over by then never will be.
    pub(crate) const USUAL: Self = Self::Both {
        short: Duration::from_secs(180),
        long: Duration::from_secs(900),
    };

    fn deadline(&self, form: Form) -> Option<Duration> {
        match (self, form) {
            (Self::Both { short, .. }, Form::Short) => Some(*short),
            (Self::Both { long, .. }, Form::Long) => Some(*long),
            (Self::LongWithin(long), Form::Long) => Some(long()),
            (Self::LongWithin(_), Form::Short) => None,
        }
    }
}

/// `scene!(module::function, loops, forms)`.
macro_rules! scene {
    ($module:ident :: $play:ident, $loops:expr, $forms:expr) => {
        $crate::scene::Scene {
            name: concat!(stringify!($module), "::", stringify!($play)),
            loops: $loops,
            forms: $forms,
            play: $play,
        }
    };
}
pub(crate) use scene;

/// What plays the scene that a child was told.
pub(crate) fn find(
    scenes: &'static [&'static [Scene]],
    task: &str,
) -> Option<impl FnOnce() + use<>> {
    let (name, on) = task.rsplit_once("::")?;
    let scene = all(scenes).find(|scene| scene.name == name)?;
    let kind = LoopKind::from_name(on)?;
    Some(move || (scene.play)(kind, Form::wanted()).expect("the scene goes well"))
}

/// The tests: each scene on each of its loops.
pub(crate) fn trials(scenes: &'static [&'static [Scene]]) -> Vec<Trial> {
    let form = Form::wanted();
    let wanted = all(scenes).filter_map(|scene| Some((scene, scene.forms.deadline(form)?)));
    wanted
        .flat_map(|(scene, deadline)| {
            scene.loops.iter().map(move |kind| {
                runner::right_within(format!("{}::{}", scene.name, kind.name()), deadline)
            })
        })
        .collect()
}

fn all(scenes: &'static [&'static [Scene]]) -> impl Iterator<Item = &'static Scene> {
    scenes.iter().copied().flatten()
}
