/// What libFuzzer throws bytes at: a decoder of untrusted bytes, and what must hold of everything it accepts.
struct FuzzTarget: Sendable {
    let name: String
    /// Golden files whose names begin so are where the search begins (`Tests/**/Golden/*.hex`), and these.
    let goldenPrefix: String?
    let seeds: @Sendable () -> [[UInt8]]
    let run: @Sendable ([UInt8]) -> Void

    init(_ name: String, golden: String? = nil, texts: [String] = [], run: @escaping @Sendable ([UInt8]) -> Void) {
        self.init(name, golden: golden, seeds: { texts.map { Array($0.utf8) } }, run: run)
    }

    init(
        _ name: String, golden: String? = nil, seeds: @escaping @Sendable () -> [[UInt8]],
        run: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.name = name
        goldenPrefix = golden
        self.seeds = seeds
        self.run = run
    }

    static let all = records + blocks + frames + models + states + interchange + intake + sources + languages + edge
}

/// A property that did not hold: libFuzzer keeps the input and stops.
func require(_ holds: Bool, _ what: String) {
    if !holds { fatalError(what) }
}
