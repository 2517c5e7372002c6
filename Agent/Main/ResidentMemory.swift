import Glibc

/// Keeps what is resident close to what is in use.
///
/// Starting up touches code that the steady state never runs again (dynamic linking, protocol conformances, TLS
/// set-up), and the kernel maps sixteen pages around each fault. Once everything runs, the mappings of code are
/// dropped: they are read-only and file-backed, so what is needed comes back from the page cache with a minor
/// fault, and the rest no longer counts. `Packaging/agent.order` has put what is needed side by side; what it cannot
/// move (much of Swift's library is one piece) lies scattered, and there the kernel should map less around a fault.
enum ResidentMemory {
    /// Before the first thread: one malloc arena instead of one for each thread (mallopt(3)), and little mapped around
    /// what is touched of initialised data, most of which are tables that are never read.
    static func limit() {
        typealias SetOption = @convention(c) (_ option: Int32, _ value: Int32) -> Int32
        if let mallopt = function("mallopt", as: SetOption.self) { _ = mallopt(-8, 1) }  // M_ARENA_MAX
        forEachMapping { if $0.isProgram, $0.has(mode: "rw-p ") { split($0) } }
    }

    /// Swift's Glibc module leaves <malloc.h> out, so its functions are looked up.
    private static func function<Signature>(_ name: String, as type: Signature.Type) -> Signature? {
        dlsym(nil, name).map { unsafeBitCast($0, to: type) }
    }

    /// Calls the C library only: what it dropped must not come back for its own sake.
    /// - Complexity: one pass over /proc/self/maps; a few hundred minor faults afterwards, and once as many mappings
    ///   as the program has pieces of ``pieceBytes``.
    static func dropUnusedCode() {
        typealias Trim = @convention(c) (_ pad: Int) -> Int32
        if let trim = function("malloc_trim", as: Trim.self) { _ = trim(0) }
        // Code, and what stands before it in a file: symbols, unwinding, metadata, texts. Mappings that are or once
        // were writable hold what the file does not: data, and the relocated part behind the code.
        var headEnd: UInt = 0
        forEachMapping { mapping in
            let isHead = mapping.has(mode: "r--p 00000000 ") || mapping.has(mode: "r--p ") && mapping.start == headEnd
            guard isHead || mapping.has(mode: "r-xp ") else { return }
            if isHead { headEnd = mapping.end }
            if mapping.isProgram { split(mapping) }
            madvise(UnsafeMutableRawPointer(bitPattern: mapping.start), mapping.size, MADV_DONTNEED)
        }
    }

    private struct Mapping {
        let start: UInt
        let end: UInt
        /// "r-xp 00000000 fd:00 1234 /usr/bin/stagebox-agent"
        let text: UnsafePointer<CChar>
        /// Of the program itself, not of a library.
        let isProgram: Bool
        var size: Int { Int(end - start) }
        func has(mode: StaticString) -> Bool {
            memcmp(text, mode.utf8Start, mode.utf8CodeUnitCount) == 0
        }
    }

    /// The mappings of files, in the order of their addresses. The program comes before its libraries.
    private static func forEachMapping(_ body: (Mapping) -> Void) {
        guard let file = fopen("/proc/self/maps", "r") else { return }
        var line: UnsafeMutablePointer<CChar>?
        var program: UnsafeMutablePointer<CChar>?
        defer {
            fclose(file)
            free(line)
            free(program)
        }
        var capacity = 0
        while getline(&line, &capacity, file) > 0, let line {
            // 55d0c2a00000-55d0c2b00000 r-xp 00000000 fd:00 1234 /usr/bin/stagebox-agent
            var rest: UnsafeMutablePointer<CChar>? = line
            let start = strtoul(line, &rest, 16)
            guard let dash = rest, let path = strchr(line, slash) else { continue }
            let end = strtoul(dash + 1, &rest, 16)
            guard let rest, start < end else { continue }
            if program == nil { program = strdup(path) }
            let isProgram = program.map { strcmp($0, path) == 0 } ?? false
            body(Mapping(start: start, end: end, text: rest + 1, isProgram: isProgram))
        }
    }

    private static let slash: Int32 = 47

    /// The kernel maps what surrounds a fault within 64 KiB, but never beyond the mapping (filemap_map_pages); advice
    /// that differs makes separate mappings of neighbours. "Random" means: read no further than asked from the disk,
    /// which is no loss here.
    private static func split(_ mapping: Mapping) {
        // By address, so that the next time the same pieces get the same advice.
        for even in stride(from: mapping.start & ~(2 * pieceBytes - 1), to: mapping.end, by: Int(2 * pieceBytes)) {
            let (first, last) = (max(mapping.start, even), min(mapping.end, even + pieceBytes))
            guard first < last else { continue }
            madvise(UnsafeMutableRawPointer(bitPattern: first), Int(last - first), MADV_RANDOM)
        }
    }

    private static let pieceBytes: UInt = 8 << 10
}
