/// A number that no other live thread has. No system call, and no destructor,
/// so that it works while a thread or the process ends.
pub(crate) fn thread_mark() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}
