import Glibc

/// Gives memory that a burst of work has left free back to the kernel; malloc keeps it otherwise, once per thread.
enum FreedMemory {
    /// - Complexity: one pass over malloc's free lists, some milliseconds.
    static func release() {
        // Swift's Glibc module leaves <malloc.h> out.
        typealias Trim = @convention(c) (_ pad: Int) -> Int32
        guard let trim = dlsym(nil, "malloc_trim").map({ unsafeBitCast($0, to: Trim.self) }) else { return }
        _ = trim(0)
    }
}
