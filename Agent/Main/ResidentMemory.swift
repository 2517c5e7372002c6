import Glibc

/// Keeps what is resident close to what is in use.
///
/// Starting up touches code that the steady state never runs again (dynamic linking, protocol conformances, TLS
/// set-up), and the kernel maps sixteen pages around each fault. Once everything runs, the mappings of code are
/// dropped: they are read-only and file-backed, so what is needed comes back from the page cache with a minor
/// fault, and the rest no longer counts.
enum ResidentMemory {
    /// Before the first thread: one malloc arena instead of one for each thread (mallopt(3)).
    static func limitArenas() {
        typealias SetOption = @convention(c) (_ option: Int32, _ value: Int32) -> Int32
        guard let mallopt = function("mallopt", as: SetOption.self) else { return }
        _ = mallopt(-8, 1)  // M_ARENA_MAX
    }

    /// Swift's Glibc module leaves <malloc.h> out, so its functions are looked up.
    private static func function<Signature>(_ name: String, as type: Signature.Type) -> Signature? {
        dlsym(nil, name).map { unsafeBitCast($0, to: type) }
    }

    /// - Complexity: one pass over /proc/self/maps; a few hundred minor faults afterwards.
    static func dropUnusedCode() {
        typealias Trim = @convention(c) (_ pad: Int) -> Int32
        if let trim = function("malloc_trim", as: Trim.self) { _ = trim(0) }
        guard let file = fopen("/proc/self/maps", "r") else { return }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let text = line.map({ String(cString: $0) }) {
            // 55d0c2a00000-55d0c2b00000 r-xp 00000000 fd:00 1234 /usr/bin/stagebox-agent
            let fields = text.split(separator: " ", omittingEmptySubsequences: true)
            // Only code: private writable and relocated read-only pages hold what the file does not.
            guard fields.count >= 6, fields[1] == "r-xp", fields[5].hasPrefix("/") else { continue }
            let bounds = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard bounds.count == 2, let start = UnsafeMutableRawPointer(bitPattern: bounds[0]) else { continue }
            madvise(start, Int(bounds[1] - bounds[0]), MADV_DONTNEED)
        }
    }
}
