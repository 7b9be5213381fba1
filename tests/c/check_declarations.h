/*
 * With these the C compiler compares the installed libvirt.h with what
 * crates/virt-event-libvirt/src/sys.rs declares (contract F4). The test
 * generates the lines that use them from the Rust types themselves.
 */

#include <fcntl.h>
#include <limits.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#define FUNCTION(name, ...)                                                    \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&name),             \
                                                __VA_ARGS__),                  \
                   #name " has another type in C");

#define TYPE(name, ...)                                                        \
    _Static_assert(__builtin_types_compatible_p(name, __VA_ARGS__),            \
                   #name " is another type in C");

#define CONSTANT(name, value)                                                  \
    _Static_assert((name) == (value), #name " has another value in C");
