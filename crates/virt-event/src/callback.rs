use std::any::{Any, TypeId};
use std::fmt;
use std::os::fd::RawFd;

use crate::{HandleEvents, TimerId, WatchId};

/// Defines one owned callback: an opaque box around data and a function over
/// that data, with the given arguments.
macro_rules! callback {
    (
        $(#[$doc:meta])*
        $name:ident, $seam:ident, ($($arg:ident: $ty:ty),+)
    ) => {
        $(#[$doc])*
        #[must_use = "dropping a callback frees its data"]
        pub struct $name(Box<dyn $seam>);

        impl $name {
            /// A callback that runs a closure.
            pub fn new(call: impl FnMut($($ty),+) + Send + 'static) -> Self {
                Self::with_state(call, |call, $($arg),+| call($($arg),+))
            }

            /// A callback made of data and a function over it, so that
            /// [`into_state`](Self::into_state) can take the data back, for
            /// instance from an add that was refused.
            pub fn with_state<S: Send + 'static>(
                state: S,
                call: impl FnMut(&mut S, $($ty),+) + Send + 'static,
            ) -> Self {
                Self(Box::new(WithState { state, call }))
            }

            /// Takes the data out, unfreed.
            ///
            /// # Errors
            ///
            /// - The callback itself, if it was not made by
            ///   [`with_state`](Self::with_state) with data of type `S`.
            pub fn into_state<S: 'static>(self) -> Result<S, Self> {
                if self.0.state_type() != TypeId::of::<S>() {
                    return Err(self);
                }
                match self.0.into_state().downcast() {
                    Ok(state) => Ok(*state),
                    Err(_) => unreachable!("the type was compared above"),
                }
            }

            /// Runs it.
            pub fn call(&mut self, $($arg: $ty),+) {
                self.0.call($($arg),+);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        trait $seam: Send {
            fn call(&mut self, $($arg: $ty),+);
            fn state_type(&self) -> TypeId;
            fn into_state(self: Box<Self>) -> Box<dyn Any>;
        }

        impl<S, F> $seam for WithState<S, F>
        where
            S: Send + 'static,
            F: FnMut(&mut S, $($ty),+) + Send,
        {
            fn call(&mut self, $($arg: $ty),+) {
                (self.call)(&mut self.state, $($arg),+);
            }

            fn state_type(&self) -> TypeId {
                TypeId::of::<S>()
            }

            fn into_state(self: Box<Self>) -> Box<dyn Any> {
                Box::new(self.state)
            }
        }
    };
}

callback! {
    /// What a loop calls when a watched descriptor is ready for some events.
    ///
    /// It owns its data. **Dropping it is libvirt's free callback**
    /// (`virFreeCallback`): whoever holds a `HandleCallback` decides when, and
    /// on which thread, the data is freed.
    #[doc(alias = "virEventHandleCallback")]
    #[doc(alias = "virFreeCallback")]
    HandleCallback, CallHandle, (watch: WatchId, fd: RawFd, events: HandleEvents)
}

callback! {
    /// What a loop calls when a timer is due.
    ///
    /// It owns its data. **Dropping it is libvirt's free callback**, as with
    /// [`HandleCallback`].
    #[doc(alias = "virEventTimeoutCallback")]
    #[doc(alias = "virFreeCallback")]
    TimeoutCallback, CallTimeout, (timer: TimerId)
}

struct WithState<S, F> {
    state: S,
    call: F,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI32, Ordering};

    use super::*;

    #[test]
    fn a_closure_is_called_with_what_it_was_given() {
        let seen = Arc::new(AtomicI32::new(0));
        let sink = Arc::clone(&seen);
        let mut callback =
            TimeoutCallback::new(move |timer| sink.store(timer.get(), Ordering::Relaxed));
        callback.call(TimerId::new(7).unwrap());
        assert_eq!(seen.load(Ordering::Relaxed), 7);
    }

    #[test]
    fn state_comes_back_unfreed_and_only_as_its_own_type() {
        let owned = Arc::new(());
        let callback = HandleCallback::with_state(Arc::clone(&owned), |_, _, _, _| {});
        let callback = callback.into_state::<String>().unwrap_err();
        let state: Arc<()> = callback.into_state().unwrap();
        assert_eq!(Arc::strong_count(&owned), 2);
        drop(state);
        assert_eq!(Arc::strong_count(&owned), 1);
    }

    #[test]
    fn dropping_the_callback_frees_its_data() {
        let owned = Arc::new(());
        drop(HandleCallback::with_state(
            Arc::clone(&owned),
            |_, _, _, _| {},
        ));
        assert_eq!(Arc::strong_count(&owned), 1);
    }
}
