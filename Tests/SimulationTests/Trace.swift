/// What happened, in order, as one number (FNV-1a) and, when wanted, as lines.
final class Trace {
    private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    private(set) var lines: [String] = []
    /// The newest lines are kept for the report of a failure.
    private let linesMax: Int

    init(linesMax: Int = 10_000) { self.linesMax = linesMax }

    func note(_ line: String) {
        for byte in line.utf8 { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
        digest = (digest ^ 10) &* 0x100_0000_01b3
        guard linesMax > 0 else { return }
        if lines.count >= 2 * linesMax { lines.removeFirst(linesMax) }
        lines.append(line)
    }
}
